"""Documents: the page that shows the API's OpenAPI, from files of our own: it works without the internet."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.page import POLICY, show

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """Swagger UI; its styles have small pictures in them."""
    page = show(request, "docs.html")
    page.headers["Content-Security-Policy"] = f"{POLICY}; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
    return page
