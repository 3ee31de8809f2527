#!/usr/bin/env python3
"""aiohttp (on uvloop with loop=uvloop): answers "Hello, World!" on 127.0.0.1. port=…"""

from aiohttp import web
from common import count


async def hello(request):
    return web.Response(text="Hello, World!")


app = web.Application()
app.router.add_get("/", hello)
web.run_app(app, host="127.0.0.1", port=count("port", 9500), access_log=None, print=None)
