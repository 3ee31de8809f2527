#!/usr/bin/env python3
"""TLS with both ends in one loop: loop=asyncio|uvloop what=handshake|resume|stream|idle count=…"""

import asyncio
import gc
import pathlib
import resource
import shutil
import ssl
import subprocess
import tempfile
import time

from common import ARGUMENTS, count, ns_each, prove, resident, result


class Resuming(ssl.SSLContext):
    """Clients of it resume `session`, which event loops cannot be told."""

    session = None

    def wrap_bio(self, *args, **named):
        return super().wrap_bio(*args, **named, session=self.session)


def make_certificate(folder):
    """One for localhost that vouches for itself, with a P-256 key."""
    prove(shutil.which("openssl"), "the program openssl is here, which makes the certificate")
    certificate, key = (str(pathlib.Path(folder, name)) for name in ("certificate.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                    "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)  # fmt: skip
    return certificate, key


def make_contexts():
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(folder)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate, key)
        client = Resuming(ssl.PROTOCOL_TLS_CLIENT)  # it verifies the certificate and its name
        client.load_verify_locations(certificate)
    client.minimum_version = server.minimum_version = ssl.TLSVersion.TLSv1_3
    return server, client


async def rest(reader, writer):
    writer.write(b"!")
    await reader.read(1)
    writer.close()


async def listen(handle, context):
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, backlog=4096)
    return server, server.sockets[0].getsockname()[1]


async def connect(context, port, resumed=False):
    """The handshake, and the server's byte has come, and with it the tickets before it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    prove(await reader.readexactly(1) == b"!", "the server's byte comes")
    connection = writer.get_extra_info("ssl_object")
    prove(connection.version() == "TLSv1.3" and connection.getpeercert(), "TLS 1.3, verified")
    prove(connection.session_reused == resumed, "resumption")
    return writer, connection


async def handshake(contexts, n, resume=False):
    server, port = await listen(rest, contexts[0])
    context = contexts[1]
    begin = time.perf_counter()
    for i in range(n):
        writer, connection = await connect(context, port, resume and i != 0)
        if resume:
            context.session = connection.session
        writer.close()
        await writer.wait_closed()
    result("tls_resume" if resume else "tls_handshake", 1e9 / ns_each(begin, n), "1/s", count=n)
    server.close()


async def stream(contexts, megabytes):
    received = asyncio.get_running_loop().create_future()

    async def drop_all(reader, writer):
        writer.write(b"!")
        total = 0
        good = True
        while total < megabytes * 1_000_000 and (piece := await reader.read(256 * 1024)):
            good = good and piece[:1] == b"x" == piece[-1:]
            total += len(piece)
        received.set_result(good and total)
        writer.close()

    server, port = await listen(drop_all, contexts[0])
    writer, _ = await connect(contexts[1], port)
    piece = b"x" * 1_000_000
    begin = time.perf_counter()
    for _ in range(megabytes):
        writer.write(piece)
        await writer.drain()
    total = await received
    rate = 1e9 / ns_each(begin, megabytes)
    prove(total == megabytes * 1_000_000, "every byte came")
    result("tls_stream", rate, "MB/s", count=megabytes)
    writer.close()
    server.close()


async def idle(contexts, n):
    warm = 20  # what the first ones alone cost is not counted
    server, port = await listen(rest, contexts[0])
    connections = [await connect(contexts[1], port) for _ in range(warm)]
    gc.collect()
    before = resident()
    connections += [await connect(contexts[1], port) for _ in range(n - warm)]
    gc.collect()
    result("tls_idle", (resident() - before) / (n - warm), "B", count=n)
    for writer, _ in connections:
        writer.transport.abort()
    server.close()


async def resume(contexts, n):
    await handshake(contexts, n, resume=True)


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
asyncio.run(globals()[ARGUMENTS["what"]](make_contexts(), count("count", 1000)))
