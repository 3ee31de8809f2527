#!/usr/bin/env python3
"""TCP echo on 127.0.0.1. loop=asyncio|uvloop api=streams|protocol port=…"""

import asyncio

from common import ARGUMENTS, count


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main():
    loop, port = asyncio.get_running_loop(), count("port", 9300)
    if ARGUMENTS.get("api", "streams") == "streams":
        server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=4096)
    else:
        server = await loop.create_server(Echo, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


asyncio.run(main())
