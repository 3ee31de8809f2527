"""Who takes part: how each is found, built and called.

To add a rival: its programs under rivals/<name>/, a Rival here, its name in the cases of jobs.py.
"""

import os
import pathlib
import shutil
import subprocess
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
BUILD = ROOT / "build" / "bench"
BIN = BUILD / "programs" / "bin"
CARGO = BUILD / "cargo" / "release"


def have_header(*names):
    return lambda: any((pathlib.Path(folder) / name).exists() for folder in ("/usr/include", "/usr/local/include") for name in names)


def have_program(name):
    return lambda: shutil.which(name) is not None


def have_crate(name):
    return lambda: any(pathlib.Path("/usr/share/cargo/registry").glob(f"{name}-[0-9]*")) and bool(shutil.which("cargo"))


def python_with(module):
    """A Python that has the module: the distribution's comes first, its packages go there."""
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and os.path.exists(python):
            found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
            if found.returncode == 0:
                return python
    return None


def have_python(module):
    return lambda: python_with(module) is not None


@dataclass(frozen=True)
class Rival:
    """`family` is what is installed together: a rival is there if its family is."""

    name: str
    label: str
    family: str


@dataclass(frozen=True)
class Family:
    is_here: object
    packages: str  # Debian's
    version: object  # a command whose first line says it


FAMILIES = {
    "asio": Family(have_header("asio.hpp"), "libasio-dev", ["dpkg-query", "-Wf", "${Version}", "libasio-dev"]),
    "beast": Family(have_header("boost/beast.hpp"), "libboost1.81-dev", ["dpkg-query", "-Wf", "${Version}", "libboost1.81-dev"]),
    "libuv": Family(have_header("uv.h"), "libuv1-dev", ["dpkg-query", "-Wf", "${Version}", "libuv1-dev"]),
    "go": Family(have_program("go"), "golang-go", ["go", "version"]),
    "tokio": Family(have_crate("tokio"), "librust-tokio-dev cargo", ["dpkg-query", "-Wf", "${Version}", "librust-tokio-dev"]),
    "hyper": Family(have_crate("hyper"), "librust-hyper-dev cargo", ["dpkg-query", "-Wf", "${Version}", "librust-hyper-dev"]),
    "asyncio": Family(have_python("asyncio"), "python3", ["/usr/bin/python3", "--version"]),
    "uvloop": Family(have_python("uvloop"), "python3-uvloop", ["dpkg-query", "-Wf", "${Version}", "python3-uvloop"]),
    "aiohttp": Family(have_python("aiohttp"), "python3-aiohttp", ["dpkg-query", "-Wf", "${Version}", "python3-aiohttp"]),
    "aiofiles": Family(have_python("aiofiles"), "python3-aiofiles", ["dpkg-query", "-Wf", "${Version}", "python3-aiofiles"]),
    "nginx": Family(have_program("nginx"), "nginx-light", ["dpkg-query", "-Wf", "${Version}", "nginx"]),
    "curl": Family(have_header("curl/curl.h", "x86_64-linux-gnu/curl/curl.h"), "libcurl4-openssl-dev", ["curl", "--version"]),
    "wrk": Family(have_program("wrk"), "wrk", ["dpkg-query", "-Wf", "${Version}", "wrk"]),
}
RIVALS = {
    rival.name: rival
    for rival in [
        Rival("floor", "floor (C, bare C++)", ""),
        Rival("asio", "asio", "asio"),
        Rival("libuv", "libuv (callbacks)", "libuv"),
        Rival("tokio", "tokio", "tokio"),
        Rival("go", "Go", "go"),
        Rival("uvloop", "uvloop", "uvloop"),
        Rival("uvloop-protocol", "uvloop, protocols", "uvloop"),
        Rival("asyncio", "asyncio", "asyncio"),
        Rival("beast", "Boost.Beast", "beast"),
        Rival("hyper", "hyper", "hyper"),
        Rival("curl", "libcurl", "curl"),
        Rival("nginx", "nginx", "nginx"),
        Rival("aiohttp", "aiohttp", "aiohttp"),
        Rival("aiohttp-uvloop", "aiohttp on uvloop", "aiohttp"),
        Rival("aiofiles", "aiofiles", "aiofiles"),
    ]
}
OURS = {
    "ours": "this library",
    "ours-into": "this library, into a buffer",
    "ours-io_uring": "this library, io_uring",
    "ours-slack_1ms": "this library, 1 ms slack",
    "ours-one_loop": "this library, one loop",
}
OUR_ARGS = {
    "ours": {},
    "ours-into": {"read": "into"},
    "ours-io_uring": {"backend": "io_uring"},
    "ours-slack_1ms": {"slack_us": 1000},
    "ours-one_loop": {"loops": 1},
}


def label(name):
    return OURS.get(name) or RIVALS[name].label


def is_python(name):
    return name in RIVALS and RIVALS[name].family in ("asyncio", "uvloop", "aiohttp", "aiofiles")


def families_here():
    return {name for name, family in FAMILIES.items() if family.is_here()}


def versions(families):
    said = {}
    for name in sorted(families):
        result = subprocess.run(FAMILIES[name].version, capture_output=True, text=True, check=False)
        if result.returncode == 0 and result.stdout.strip():
            said[name] = result.stdout.splitlines()[0].strip()
    return said


def words(args):
    return [f"{name}={value}" for name, value in args.items()]


def python_program(name, program, **args):
    loop = "asyncio" if name in ("asyncio", "aiohttp") else "uvloop"
    module = "aiohttp" if "aiohttp" in name else loop
    return [python_with(module), str(BENCHMARKS / "rivals" / "python" / program), f"loop={loop}", *words(args)]


# Programs by kind of case and contestant. Each gives the command for a case's arguments, or None where there is none.

FLOORS = {"file_read": "floor_uring_reads", "tls": "floor_tls"}  # those that are programs of their own


def process_command(name, job, args):
    if name in OURS:
        return [str(BIN / f"job_{job}"), *words(args | OUR_ARGS[name])]
    if name == "floor" and job in FLOORS:
        return [str(BIN / FLOORS[job]), *words(args)]
    if name == "go" and job == "tls":
        return [str(BUILD / "go" / "tls"), *words(args)]
    if job == "tls":
        return python_program(name, "tls.py", **args)
    if name == "floor":
        return [str(BIN / "floor_tasks"), f"job={job}", *words(args)]
    if name == "aiofiles":
        return [python_with("aiofiles"), str(BENCHMARKS / "rivals" / "python" / "files.py"), f"job={job}", *words(args)]
    if name in ("asio", "libuv"):
        return [str(BIN / f"{name}_tasks"), f"job={job}", *words(args)]
    if name == "go":
        return [str(BUILD / "go" / "tasks"), f"job={job}", *words(args)]
    if name == "tokio":
        return [str(CARGO / "tasks"), f"job={job}", *words(args)]
    return python_program(name, "tasks.py", job=job, **args)


def echo_command(name, port, buffer):
    if name in OURS:
        return [str(BIN / "job_echo"), f"port={port}", f"buffer={buffer}", *words(OUR_ARGS[name])]
    if name == "floor":
        return [str(BIN / "floor_epoll_server"), "mode=echo", f"port={port}"]
    if name in ("asio", "libuv"):
        return [str(BIN / f"{name}_echo"), f"port={port}", f"buffer={buffer}"]
    if name == "go":
        return [str(BUILD / "go" / "echo"), f"port={port}", f"buffer={buffer}"]
    if name == "tokio":
        return [str(CARGO / "echo"), f"port={port}", f"buffer={buffer}"]
    api = "protocol" if name == "uvloop-protocol" else "streams"
    return python_program(name, "echo.py", port=port, api=api)


NGINX_PORT = 9280


def nginx_command():
    folder = BUILD / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    return [shutil.which("nginx"), "-c", str(BENCHMARKS / "rivals" / "nginx" / "nginx.conf"), "-p", str(folder)]


def http_server_command(name, port):
    if name in OURS:
        return [str(BIN / "job_http_server"), f"port={port}", *words(OUR_ARGS[name])]
    if name == "floor":
        return [str(BIN / "floor_epoll_server"), "mode=http", f"port={port}"]
    if name == "beast":
        return [str(BIN / "beast_http"), f"port={port}"]
    if name == "hyper":
        return [str(CARGO / "http"), f"port={port}"]
    if name == "go":
        return [str(BUILD / "go" / "http"), f"port={port}"]
    if name == "nginx":
        return nginx_command()
    return python_program(name, "http_server.py", port=port)


def client_command(name, job, port, args):
    url = f"http://127.0.0.1:{port}/"
    sizes = {key: args[key] for key in ("total", "connections")}
    if name in OURS:
        return [str(BIN / f"job_{job}"), f"url={url}", *words(sizes | OUR_ARGS[name])]
    if name == "floor":
        return [str(BIN / "floor_http_client"), f"port={port}", *words(sizes)]
    if name == "hyper":
        return [str(CARGO / "client"), f"url={url}", *words(sizes)]
    if name == "curl":
        return [str(BIN / "curl_client"), f"url={url}", *words(sizes)]
    if name == "go":
        return [str(BUILD / "go" / "client"), f"url={url}", *words(sizes)]
    return python_program(name, "http_client.py", url=url, **sizes)


# --- building -----------------------------------------------------------------------------------------------------


class BuildError(Exception):
    pass


def quiet(command, log, **more):
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as out:
        result = subprocess.run([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, check=False, **more)
    if result.returncode:
        tail = "\n".join(log.read_text().splitlines()[-25:])
        raise BuildError(f"{tail}\nbenchmarks: {command[0]} failed, see {log}")


def build(families, jobs, library=None):
    """
    Builds the library as its users do (or takes the build of it in the folder `library`), installs it, builds the
    programs against it, and what rivals there are.
    """
    release = ["-DCMAKE_BUILD_TYPE=Release"]
    parts = [f"-DASYNCIO_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "BENCHMARKS", "TOOLS")]
    prefix, programs = BUILD / "prefix", BUILD / "programs"
    if library is None:
        library = BUILD / "library"
        quiet(["cmake", "-S", ROOT, "-B", library, "-G", "Ninja", *release, *parts], BUILD / "log" / "configure_library")
        quiet(["cmake", "--build", library, "--parallel", jobs], BUILD / "log" / "build_library")
    quiet(["cmake", "--install", library, "--prefix", prefix], BUILD / "log" / "install_library")
    quiet(["cmake", "-S", BENCHMARKS, "-B", programs, "-G", "Ninja", *release, f"-DCMAKE_PREFIX_PATH={prefix}"],
          BUILD / "log" / "configure_programs")  # fmt: skip
    quiet(["cmake", "--build", programs, "--parallel", jobs], BUILD / "log" / "build_programs")
    if "go" in families:
        for program in ("tasks", "echo", "http", "client", "tls"):
            quiet(["go", "build", "-o", BUILD / "go" / program, "."], BUILD / "log" / f"go_{program}",
                  cwd=BENCHMARKS / "rivals" / "go" / program)  # fmt: skip
    if {"tokio", "hyper"} <= families:
        environment = os.environ | {"CARGO_TARGET_DIR": str(BUILD / "cargo"), "CARGO_BUILD_JOBS": str(jobs)}
        quiet(["cargo", "build", "--release", "--offline"], BUILD / "log" / "cargo", env=environment,
              cwd=BENCHMARKS / "rivals" / "tokio")  # fmt: skip


def is_built(command):
    return command is not None and command[0] is not None and os.path.exists(command[0])
