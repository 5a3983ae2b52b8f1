"""Documents: the page that shows the API's OpenAPI, from files of our own: it works without the internet."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from console.health import see
from console.page import POLICY, show

router = APIRouter(include_in_schema=False, dependencies=[Depends(see)])


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """The page around it."""
    return show(request, "docs.html")


@router.get("/docs/frame")
async def get_frame(request: Request) -> Response:
    """Swagger UI, in a document of its own as its styles are; it has small pictures in them."""
    page = show(request, "docs_frame.html")
    policy = POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
    page.headers["Content-Security-Policy"] = f"{policy}; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
    return page
