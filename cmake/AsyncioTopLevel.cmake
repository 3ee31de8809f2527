# Comforts of a build of this project itself; a project that includes us decides these for itself.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Precompiled headers are only cached when ccache is told that their definitions and times do not matter.
find_program(ASYNCIO_CCACHE ccache)
if(ASYNCIO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(launcher "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${ASYNCIO_CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${launcher}")
    set(CMAKE_C_COMPILER_LAUNCHER "${launcher}")
endif()

# A hundred small programs are linked: mold does it in a fraction of the time. Never for an installed build type
# of others, hence only here.
find_program(ASYNCIO_MOLD mold)
if(ASYNCIO_MOLD)
    add_link_options(-fuse-ld=mold)
endif()
