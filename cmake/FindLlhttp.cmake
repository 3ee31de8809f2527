# Finds a compiled llhttp of the system (Debian 13: libllhttp-dev); gives the target Llhttp::Llhttp.
# Installed beside asyncioConfig.cmake for users of a static build.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_LLHTTP QUIET libllhttp)
endif()
find_path(Llhttp_INCLUDE_DIR llhttp.h HINTS ${PC_LLHTTP_INCLUDE_DIRS})
find_library(Llhttp_LIBRARY llhttp HINTS ${PC_LLHTTP_LIBRARY_DIRS})
mark_as_advanced(Llhttp_INCLUDE_DIR Llhttp_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Llhttp REQUIRED_VARS Llhttp_LIBRARY Llhttp_INCLUDE_DIR
                                  VERSION_VAR PC_LLHTTP_VERSION)
if(Llhttp_FOUND AND NOT TARGET Llhttp::Llhttp)
    add_library(Llhttp::Llhttp UNKNOWN IMPORTED)
    set_target_properties(
        Llhttp::Llhttp PROPERTIES IMPORTED_LOCATION "${Llhttp_LIBRARY}"
                                  INTERFACE_INCLUDE_DIRECTORIES "${Llhttp_INCLUDE_DIR}")
endif()
