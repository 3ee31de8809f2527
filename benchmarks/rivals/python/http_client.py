#!/usr/bin/env python3
"""aiohttp (on uvloop with loop=uvloop): `total` GETs of `url` over `connections` connections: seconds for all."""

import asyncio
import time

import aiohttp
from common import ARGUMENTS, count, cpu, peak, prove, result


async def main():
    url, total, connections = ARGUMENTS["url"], count("total", 10000), count("connections", 100)
    begin = time.perf_counter()
    left, good = iter(range(total)), 0

    async def worker(session):
        nonlocal good
        for _ in left:
            async with session.get(url) as response:
                good += await response.text() == "Hello, World!" and response.status == 200

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*[worker(session) for _ in range(connections)])
    seconds = time.perf_counter() - begin
    prove(good == total, "every answer was 200 and Hello, World!")
    result("http_client", seconds, "s", impl="aiohttp", cpu_s=cpu(), peak_mib=peak() / 1048576)


asyncio.run(main())
