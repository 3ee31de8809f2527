# `cmake --install`: headers, libraries, find_package(asyncio), pkg-config asyncio, asyncio-tls and asyncio-http, tools, lint.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/asyncio")
set(installed asyncio asyncio_tls)

# Headers of http/ and proto/ go with the library that implements them.
if(ASYNCIO_WITH_HTTP)
    list(APPEND installed asyncio_http)
    set(header_exclusions "")
else()
    set(header_exclusions REGEX "/asyncio/(http|proto)(/|\\.hpp$)" EXCLUDE)
endif()
install(
    DIRECTORY "${PROJECT_SOURCE_DIR}/include/asyncio"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING
    PATTERN "*.hpp" ${header_exclusions})

install(
    TARGETS ${installed}
    EXPORT asyncioTargets
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT asyncioTargets NAMESPACE asyncio:: DESTINATION "${package_dir}")

get_target_property(library_type asyncio TYPE)
if(library_type STREQUAL "STATIC_LIBRARY")
    set(ASYNCIO_IS_STATIC ON)
else()
    set(ASYNCIO_IS_STATIC OFF)
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/asyncioConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/asyncioConfig.cmake" INSTALL_DESTINATION "${package_dir}"
                              PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/asyncioConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
    FILES "${PROJECT_BINARY_DIR}/asyncioConfig.cmake" "${PROJECT_BINARY_DIR}/asyncioConfigVersion.cmake"
          "${PROJECT_SOURCE_DIR}/cmake/FindLiburing.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindLlhttp.cmake"
          "${PROJECT_SOURCE_DIR}/cmake/FindCares.cmake"
    DESTINATION "${package_dir}")

# pkg-config. A static library needs what it links privately on every link line, so there those are public
# requirements: `pkg-config --libs asyncio` is right for the library that was installed, with --static or without.
# Their prefix is said relative to where they are, so that an installed tree may be moved (`--prefix`, DESTDIR).
file(RELATIVE_PATH pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
set(pc_core_requires "")
set(pc_http_requires "")
if(ASYNCIO_HAVE_LIBURING)
    list(APPEND pc_core_requires "liburing")
endif()
if(ASYNCIO_HAVE_CARES)
    list(APPEND pc_core_requires "libcares")
endif()
list(JOIN pc_core_requires ", " pc_core_requires)
if(ASYNCIO_HAVE_SYSTEM_LLHTTP)
    set(pc_http_requires "libllhttp")
endif()
if(ASYNCIO_IS_STATIC)
    set(pc_requires_key "Requires")
    set(pc_libs_threads " -pthread")
else()
    set(pc_requires_key "Requires.private")
    set(pc_libs_threads "")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/asyncio.pc.in" "${PROJECT_BINARY_DIR}/asyncio.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/asyncio.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
set(pc_tls_requires_lines "Requires: asyncio = ${PROJECT_VERSION}")
if(ASYNCIO_HAVE_TLS)
    if(ASYNCIO_IS_STATIC)
        string(APPEND pc_tls_requires_lines ", libssl >= 3, libcrypto >= 3")
    else()
        string(APPEND pc_tls_requires_lines "\nRequires.private: libssl >= 3, libcrypto >= 3")
    endif()
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/asyncio-tls.pc.in" "${PROJECT_BINARY_DIR}/asyncio-tls.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/asyncio-tls.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
set(pc_http_requires_lines "Requires: asyncio-tls = ${PROJECT_VERSION}")
if(pc_http_requires)
    if(ASYNCIO_IS_STATIC)
        string(APPEND pc_http_requires_lines ", ${pc_http_requires}")
    else()
        string(APPEND pc_http_requires_lines "\nRequires.private: ${pc_http_requires}")
    endif()
endif()
if(ASYNCIO_WITH_HTTP)
    configure_file("${PROJECT_SOURCE_DIR}/cmake/asyncio-http.pc.in" "${PROJECT_BINARY_DIR}/asyncio-http.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/asyncio-http.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()

# Programs, and what they read. An installed program of a shared build finds its library beside it.
if(ASYNCIO_TOOLS)
    set_target_properties(${ASYNCIO_TOOLS} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    install(TARGETS ${ASYNCIO_TOOLS} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
set_target_properties(${installed} PROPERTIES INSTALL_RPATH "$ORIGIN")
install(PROGRAMS "${PROJECT_SOURCE_DIR}/tools/asyncio-lint/asyncio-lint" DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/docs/hazards" DESTINATION "${CMAKE_INSTALL_DATADIR}/asyncio" OPTIONAL)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/asyncio")
