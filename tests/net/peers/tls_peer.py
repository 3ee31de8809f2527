"""The other end of the TLS tests: tls_peer.py client PORT CA | server CERT KEY | starttls PORT CA."""
import asyncio
import ssl
import sys


async def talk(reader, writer):
    message = bytes(range(256)) * 2000
    writer.write(message)
    await writer.drain()
    assert await reader.readexactly(len(message)) == message
    writer.write(b"end\n")
    assert await reader.readline() == b"end\n"
    writer.close()
    await writer.wait_closed()


async def client(port, ca):
    context = ssl.create_default_context(cafile=ca)
    reader, writer = await asyncio.open_connection("localhost", int(port), ssl=context)
    await talk(reader, writer)
    print("ok", flush=True)


async def starttls(port, ca):
    context = ssl.create_default_context(cafile=ca)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go on\n"
    await writer.start_tls(context, server_hostname="localhost")
    await talk(reader, writer)
    print("ok", flush=True)


async def server(certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    done = asyncio.Event()

    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        done.set()

    served = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    print(served.sockets[0].getsockname()[1], flush=True)
    await done.wait()


asyncio.run({"client": client, "server": server, "starttls": starttls}[sys.argv[1]](*sys.argv[2:]))
