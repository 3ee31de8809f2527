"""A server with Python's asyncio: prints its port, answers each line in capitals, ends when a client says "quit"."""

import asyncio


async def main():
    done = asyncio.Event()

    async def on_client(reader, writer):
        while line := await reader.readline():
            if line == b"quit\n":
                done.set()
                break
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(on_client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.wait_for(done.wait(), 60)


asyncio.run(main())
