# How a library and a program of this project are made: flags, include paths, output folders.

# Warnings are ours alone: they are PRIVATE, so a user's build is never made louder or stricter by linking us.
function(asyncio_set_warnings target)
    target_compile_options(${target} PRIVATE -Wall -Wextra)
    # At -O2 g++ 12 sees overlapping and endless copies inside its own std::string (GCC bugs 105329 and 105651, mended
    # in 13): these warnings are wrong there, and useful everywhere else.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(${target} PRIVATE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
    endif()
    # Those that follow the flow of values stay warnings, but what g++ guesses is no verdict (14, too, sees an optional
    # in a coroutine's frame that is empty and destroyed).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE -Wno-error=maybe-uninitialized -Wno-error=dangling-pointer
                               -Wno-error=free-nonheap-object -Wno-error=use-after-free -Wno-error=nonnull)
    endif()
    if(ASYNCIO_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
endfunction()

function(asyncio_set_common target)
    asyncio_set_warnings(${target})
    set_target_properties(
        ${target}
        PROPERTIES CXX_EXTENSIONS OFF
                   RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin"
                   LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib"
                   ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
endfunction()

# asyncio_add_library(<target> EXPORT_NAME <name> SOURCES <file>...)
#
# Symbols keep default visibility and inline functions too: exceptions and their type information cross the
# library's border, and a hidden copy of either would not be caught on the other side.
function(asyncio_add_library target)
    cmake_parse_arguments(arg "" "EXPORT_NAME" "SOURCES" ${ARGN})
    if(NOT arg_SOURCES)
        set(placeholder "${PROJECT_BINARY_DIR}/${target}_placeholder.cpp")
        if(NOT EXISTS "${placeholder}")
            file(WRITE "${placeholder}" "namespace asyncio {}\n")
        endif()
        set(arg_SOURCES "${placeholder}")
    endif()
    add_library(${target} ${arg_SOURCES})
    add_library(asyncio::${arg_EXPORT_NAME} ALIAS ${target})
    asyncio_set_common(${target})
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_include_directories(
        ${target}
        PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
        PRIVATE "${PROJECT_SOURCE_DIR}/src")
    set_target_properties(
        ${target}
        PROPERTIES EXPORT_NAME ${arg_EXPORT_NAME}
                   VERSION ${PROJECT_VERSION}
                   SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                   POSITION_INDEPENDENT_CODE ON)
endfunction()

# The best library there is: asyncio::http when it is built, else the core with TLS.
if(ASYNCIO_WITH_HTTP)
    set(ASYNCIO_FULL_LIBRARY asyncio::http)
else()
    set(ASYNCIO_FULL_LIBRARY asyncio::tls)
endif()

function(asyncio_add_program target)
    add_executable(${target} ${ARGN})
    asyncio_set_common(${target})
    target_link_libraries(${target} PRIVATE ${ASYNCIO_FULL_LIBRARY})
endfunction()

# Sets <out> to ON if one of the files includes a header of asyncio::http although that library is not built.
function(asyncio_needs_missing_http out)
    set(${out} OFF PARENT_SCOPE)
    if(ASYNCIO_WITH_HTTP)
        return()
    endif()
    foreach(file IN LISTS ARGN)
        file(STRINGS "${file}" hits REGEX "#include [<\"]asyncio/(http|proto)" LIMIT_COUNT 1)
        if(hits)
            set(${out} ON PARENT_SCOPE)
        endif()
    endforeach()
endfunction()
