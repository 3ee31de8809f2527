"""Talks to an echo server with Python's asyncio: echo_client.py PORT. Prints "ok" if all came back as it was sent."""

import asyncio
import sys


async def main(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for size in (1, 10, 1000, 70_000):
        message = (b"%d:" % size) + b"x" * size + b"\n"
        writer.write(message)
        await writer.drain()
        assert await reader.readexactly(len(message)) == message
    data = bytes(range(256)) * 20_000  # more than the buffers between hold: both sides must read and write at once
    writer.write(data)
    writer.write_eof()
    assert await reader.read() == data
    writer.close()
    await writer.wait_closed()
    print("ok")


asyncio.run(asyncio.wait_for(main(int(sys.argv[1])), 60))
