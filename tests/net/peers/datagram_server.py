"""A UDP server with Python's asyncio: prints its port, answers each datagram in capitals."""

import asyncio


class Capitals(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        print(transport.get_extra_info("sockname")[1], flush=True)

    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)


async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Capitals, local_addr=("127.0.0.1", 0))
    await asyncio.sleep(60)


asyncio.run(main())
