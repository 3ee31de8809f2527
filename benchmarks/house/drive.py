"""Runs one contestant of one case once: pins it, feeds it, and gives back its numbers by name.

A server runs on core 0 and its load on core 1. What a program could not prove counts for nothing: then its numbers are
missing in that round and the table says so.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from house import contestants

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    pass


class Driver:
    def __init__(self, brief=False, priority="", time_limit=300):
        self.brief = brief
        self.priority = {"": [], "nice": ["nice", "-n", "-10"], "fifo": ["chrt", "-f", "1"]}[priority]
        self.time_limit = time_limit
        self.may_be_fifo = True
        self.port = 21000 + os.getpid() % 2000
        self.traced = set()  # cases and contestants whose system calls were counted

    def run(self, case, name):
        self.may_be_fifo = case.fifo
        args = case.brief if self.brief else case.slow if case.slow and contestants.is_python(name) else case.args
        return getattr(self, f"run_{case.kind}")(case, name, args)

    def command(self, case, name):
        """What will be run, to see whether it was built."""
        if case.kind == "process":
            return contestants.process_command(name, case.job, case.args)
        if case.kind in ("echo", "idle"):
            return contestants.echo_command(name, 0, 0)
        if case.kind == "http_server":
            return contestants.http_server_command(name, 0)
        if case.kind == "client":
            return contestants.client_command(name, case.job, 0, case.args)
        return [str(contestants.BIN / "job_two_loops")]

    # --- processes -------------------------------------------------------------------------------------------------

    def pinned(self, command, cores):
        priority = self.priority
        # Threads that spin for one another starve under the FIFO policy, so where there are several it is nice.
        if priority[:1] == ["chrt"] and ("," in cores or not self.may_be_fifo):
            priority = ["nice", "-n", "-10"]
        return [*priority, "taskset", "-c", cores, *command]

    def finish(self, command, cores):
        """Runs a program to its end; the numbers of its line of JSON, and how long the process took."""
        environment = os.environ | {"GOMAXPROCS": str(cores.count(",") + 1)}
        begin = time.perf_counter()
        try:
            result = subprocess.run(self.pinned(command, cores), capture_output=True, text=True, env=environment,
                                    timeout=self.time_limit, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failed(f"took more than {self.time_limit} s") from None
        process_ms = (time.perf_counter() - begin) * 1e3
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        if result.returncode != 0 or len(lines) != 1:
            raise Failed((result.stderr.strip() or f"exit status {result.returncode}").splitlines()[-1])
        said = json.loads(lines[0])
        return {k: v for k, v in said.items() if isinstance(v, (int, float))} | {"process_ms": process_ms}

    @contextlib.contextmanager
    def server(self, command, cores, port):
        """A server that listens; it is killed at the end."""
        environment = os.environ | {"GOMAXPROCS": str(cores.count(",") + 1)}
        process = subprocess.Popen(self.pinned(command, cores), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        try:
            until = time.monotonic() + 10
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                if process.poll() is not None or time.monotonic() > until:
                    raise Failed("the server does not listen")
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
            process.stderr.close()
            process.wait()

    def next_port(self):
        self.port += 1
        return self.port

    # --- the kinds of cases ----------------------------------------------------------------------------------------

    def run_process(self, case, name, args):
        return self.finish(contestants.process_command(name, case.job, args), case.cores)

    def run_echo(self, case, name, args):
        port = self.next_port()
        command = contestants.echo_command(name, port, args["buffer"])
        with self.server(command, "0", port) as process:
            numbers = self.finish(self.echo_load(args, port, process.pid), "1")
        first = (case.key, name) not in self.traced
        if first and args["connections"] == 100 and shutil.which("strace") and not self.brief:
            self.traced.add((case.key, name))
            numbers["syscalls"] = self.count_system_calls(name, args)
        return numbers

    def echo_load(self, args, port, pid):
        sizes = {key: args[key] for key in ("connections", "size", "seconds")}
        return [str(contestants.BIN / "floor_echo_client"), f"port={port}", f"pid={pid}", *contestants.words(sizes)]

    def count_system_calls(self, name, args):
        """System calls of the server per message, by strace, which slows it: nothing else of this run counts."""
        port = self.next_port()
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "calls"
            with self.server(contestants.echo_command(name, port, args["buffer"]), "0", port) as process:
                tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(process.pid), "-o", str(log)], stderr=subprocess.PIPE)
                tracer.stderr.readline()  # "attached"
                numbers = self.finish(self.echo_load(args | {"seconds": 1}, port, process.pid), "1")
                tracer.send_signal(signal.SIGINT)
                tracer.wait()
                tracer.stderr.close()
            calls = sum(int(m[1]) for m in re.finditer(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(?!total)\w+$", log.read_text(), re.M))
        return calls / numbers["all_messages"]

    def run_idle(self, case, name, args):
        port = self.next_port()
        with self.server(contestants.echo_command(name, port, args["buffer"]), "0", port) as process:
            connections = []
            try:
                echo_once(connections, port, 20)  # what the first connection alone costs is not counted
                before = resident(process.pid)
                echo_once(connections, port, args["connections"])
                time.sleep(0.2)
                return {"value": (resident(process.pid) - before) / args["connections"]}
            finally:
                for connection in connections:
                    connection.close()

    def run_http_server(self, case, name, args):
        port = contestants.NGINX_PORT if name == "nginx" else self.next_port()
        with self.server(contestants.http_server_command(name, port), "0", port) as process:
            return self.load_http(process.pid, port, args, "1")

    def load_http(self, pid, port, args, cores):
        prove_hello(port)
        connections, seconds = args["connections"], args["seconds"]
        if shutil.which("wrk") and seconds >= 1:
            load = ["wrk", "-t1", f"-c{connections}", f"-d{int(seconds)}s", f"http://127.0.0.1:{port}/"]
        else:
            load = [str(contestants.BIN / "floor_http_client"), f"port={port}", f"connections={connections}", f"seconds={seconds}"]
        cpu, user = cpu_seconds(pid), user_seconds(pid)
        result = subprocess.run(self.pinned(load, cores), capture_output=True, text=True, timeout=self.time_limit, check=False)
        cpu, user = cpu_seconds(pid) - cpu, user_seconds(pid) - user
        if load[0] == "wrk":
            rate = re.search(r"Requests/sec:\s+([\d.]+)", result.stdout)
            count = re.search(r"(\d+) requests in", result.stdout)
            if result.returncode or not rate or re.search(r"Non-2xx|Socket errors", result.stdout):
                raise Failed("wrk saw errors")
            rate, count = float(rate[1]), int(count[1])
        else:
            if result.returncode:
                raise Failed(result.stderr.strip())
            said = json.loads(result.stdout)
            rate, count = said["value"], said["requests"]
        return {"value": rate, "cpu_us": cpu * 1e6 / count, "user_us": user * 1e6 / count}

    def run_client(self, case, name, args):
        with self.http_origin(args) as port:
            return self.finish(contestants.client_command(name, case.job, port, args), case.cores)

    @contextlib.contextmanager
    def http_origin(self, args):
        """What clients ask: the C server if answers take their time, else nginx if it is here."""
        if "delay" not in args and shutil.which("nginx"):
            with self.server(contestants.nginx_command(), "0", contestants.NGINX_PORT):
                yield contestants.NGINX_PORT
            return
        port = self.next_port()
        mode = ["mode=delay", f"delay={args['delay']}"] if "delay" in args else ["mode=http"]
        with self.server([str(contestants.BIN / "floor_epoll_server"), f"port={port}", *mode], "0", port):
            yield port

    def run_loops(self, case, name, args):
        port = self.next_port()
        command = [str(contestants.BIN / "job_two_loops"), f"port={port}", f"protocol={args['protocol']}",
                   *contestants.words(contestants.OUR_ARGS[name])]  # fmt: skip
        with self.server(command, case.cores, port) as process:
            time.sleep(0.05)  # the second loop listens, too
            if args["protocol"] == "http":
                return self.load_http(process.pid, port, args, case.cores)
            return self.finish(self.echo_load(args, port, process.pid), case.cores)


def echo_once(connections, port, count):
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connections.append(connection)
        connection.sendall(b"x" * 64)
        got = 0
        while got < 64:
            bytes_read = len(connection.recv(64 - got))
            if bytes_read == 0:
                raise Failed("the server closed a connection")
            got += bytes_read


def prove_hello(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    if response.status != 200 or response.read() != b"Hello, World!":
        raise Failed("the answer is not 200 and Hello, World!")
    connection.close()


def resident(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def cpu_seconds(pid):
    files = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) * 1e-9


def user_seconds(pid):
    """The kernel samples user and system time in ticks: good over seconds and many rounds."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) / TICKS
