# Finds c-ares; gives the target Cares::Cares. (Its own package file is not everywhere: Debian 12 has none.)
# Installed beside asyncioConfig.cmake for users of a static build.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
    pkg_check_modules(PC_CARES QUIET libcares)
endif()
find_path(Cares_INCLUDE_DIR ares.h HINTS ${PC_CARES_INCLUDE_DIRS})
find_library(Cares_LIBRARY cares HINTS ${PC_CARES_LIBRARY_DIRS})
mark_as_advanced(Cares_INCLUDE_DIR Cares_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Cares REQUIRED_VARS Cares_LIBRARY Cares_INCLUDE_DIR
                                  VERSION_VAR PC_CARES_VERSION)
if(Cares_FOUND AND NOT TARGET Cares::Cares)
    add_library(Cares::Cares UNKNOWN IMPORTED)
    set_target_properties(
        Cares::Cares PROPERTIES IMPORTED_LOCATION "${Cares_LIBRARY}"
                                  INTERFACE_INCLUDE_DIRECTORIES "${Cares_INCLUDE_DIR}")
endif()
