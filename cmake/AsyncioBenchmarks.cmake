# The benchmarks are a project of their own, built against an installed library (benchmarks/CMakeLists.txt, run by
# benchmarks/run.py). Here their jobs are only known, not built by default: so compile_commands.json has them, for
# asyncio-lint and editors, and `cmake --build … --target bench_<job>` tries one against this build.
file(GLOB benchmark_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/benchmarks/jobs/*.cpp")
foreach(file IN LISTS benchmark_files)
    asyncio_needs_missing_http(needs_http "${file}")
    if(needs_http)
        continue()
    endif()
    get_filename_component(name "${file}" NAME_WE)
    asyncio_add_program(bench_${name} "${file}")
    target_include_directories(bench_${name} PRIVATE "${PROJECT_SOURCE_DIR}/benchmarks")
    set_target_properties(bench_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
endforeach()
