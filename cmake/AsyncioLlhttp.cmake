# llhttp, the HTTP/1 parser: a library of the system where there is one; else its three C sources, which Debian 12
# ships in node-llhttp, compiled into asyncio_http itself. Compiled in, and not a library of its own, so that an
# installed static asyncio_http links without anything else; hidden, so that a shared one exports none of it.
function(asyncio_link_llhttp target)
    find_package(Llhttp MODULE QUIET)
    if(Llhttp_FOUND)
        message(STATUS "asyncio: llhttp of the system: ${Llhttp_LIBRARY}")
        target_link_libraries(${target} PRIVATE Llhttp::Llhttp)
        set(ASYNCIO_HAVE_SYSTEM_LLHTTP ON PARENT_SCOPE)
        return()
    endif()

    set(prefixes ${ASYNCIO_LLHTTP_ROOT} /usr /usr/local)
    list(TRANSFORM prefixes APPEND "/share/llhttp" OUTPUT_VARIABLE source_dirs)
    list(TRANSFORM prefixes APPEND "/share/include/llhttp" OUTPUT_VARIABLE include_dirs)
    find_path(ASYNCIO_LLHTTP_SOURCE_DIR llhttp.c PATHS ${source_dirs})
    find_path(ASYNCIO_LLHTTP_INCLUDE_DIR llhttp.h PATHS ${include_dirs})
    if(NOT ASYNCIO_LLHTTP_SOURCE_DIR OR NOT ASYNCIO_LLHTTP_INCLUDE_DIR)
        message(FATAL_ERROR
                "asyncio::http needs llhttp, the HTTP parser, and found neither a system library (Debian 13: "
                "libllhttp-dev) nor its C sources (Debian 12: node-llhttp). Run scripts/setup.sh to install it, or "
                "configure with -DASYNCIO_WITH_HTTP=OFF to build the core alone.")
    endif()
    message(STATUS "asyncio: llhttp compiled from ${ASYNCIO_LLHTTP_SOURCE_DIR}")
    add_library(
        asyncio_llhttp OBJECT
        "${ASYNCIO_LLHTTP_SOURCE_DIR}/api.c" "${ASYNCIO_LLHTTP_SOURCE_DIR}/http.c"
        "${ASYNCIO_LLHTTP_SOURCE_DIR}/llhttp.c")
    target_include_directories(asyncio_llhttp SYSTEM PRIVATE "${ASYNCIO_LLHTTP_INCLUDE_DIR}")
    set_target_properties(asyncio_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_compile_options(asyncio_llhttp PRIVATE -w)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:asyncio_llhttp>)
    target_include_directories(${target} SYSTEM PRIVATE "${ASYNCIO_LLHTTP_INCLUDE_DIR}")
endfunction()
