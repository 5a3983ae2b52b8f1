"""The console on an API: its pages, assets and way to sign in.

FastAPI application of the API ─► install ─► the same one, with pages
"""

from __future__ import annotations

from fastapi import FastAPI

from console import alerts, assets, documents, event, files, live, models, shop, sign_in, streams
from console.news import News


def install(app: FastAPI) -> None:
    """Add the console to an application that `build_api` made."""
    app.state.news = News(app.state.store)
    app.state.streams.append(app.state.news)
    app.add_middleware(sign_in.KeyCookie)
    for pages in (files, sign_in, documents, live, alerts, assets, shop, models, streams, event):
        app.include_router(pages.router)
