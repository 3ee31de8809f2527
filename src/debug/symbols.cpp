// Symbols, read from the files themselves.
//
// dladdr knows exported functions alone, which those of a program are not; and it takes the loader's lock,
// which the blocked thread may hold. So: /proc/self/maps says which file an address belongs to, the file's
// program headers turn it into the file's own address, .symtab (else .dynsym) has the function. Lines are
// left to addr2line: reading DWARF is no business of a program that is in trouble.
#include "debug/symbols.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

#include "asyncio/base/error.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace debug {

namespace {

/// One piece of a file that lies in memory.
struct Mapping {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::uintptr_t offset = 0;  // of `begin`, in the file
    std::string file;           // may be empty, or "[vdso]"
};

std::vector<Mapping> read_mappings() {
    std::vector<Mapping> mappings;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        Mapping each;
        char rights[8] = {};
        int name_at = 0;
        if (std::sscanf(line.c_str(), "%zx-%zx %7s %zx %*s %*s %n", &each.begin, &each.end, rights,
                        &each.offset, &name_at) < 4)
            continue;
        if (std::strchr(rights, 'x') == nullptr) continue;
        if (name_at > 0) each.file = line.substr(static_cast<std::size_t>(name_at));
        mappings.push_back(std::move(each));
    }
    return mappings;
}

/// A file's bytes, as they are. Everything that is read from it is checked against its size first.
class MappedFile {
  public:
    explicit MappedFile(const char* path) noexcept {
        const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) return;
        struct stat status{};
        if (::fstat(descriptor, &status) == 0 && status.st_size > 0) {
            void* const at = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE,
                                    descriptor, 0);
            if (at != MAP_FAILED) {
                data_ = static_cast<const char*>(at);
                bytes_ = static_cast<std::size_t>(status.st_size);
            }
        }
        ::close(descriptor);
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile() {
        if (data_ != nullptr) ::munmap(const_cast<char*>(data_), bytes_);
    }

    /// An array of `T` in the file; empty if it does not lie inside of it.
    template <class T>
    std::span<const T> array(std::uint64_t offset, std::uint64_t bytes) const noexcept {
        if (offset > bytes_ || bytes > bytes_ - offset || offset % alignof(T) != 0) return {};
        return {reinterpret_cast<const T*>(data_ + offset), static_cast<std::size_t>(bytes / sizeof(T))};
    }

  private:
    const char* data_ = nullptr;
    std::size_t bytes_ = 0;
};

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Symbol = ElfW(Sym);

class ElfFile {
  public:
    explicit ElfFile(const char* path) noexcept : file_(path) {
        const auto headers = file_.array<Header>(0, sizeof(Header));
        if (headers.empty() || std::memcmp(headers[0].e_ident, ELFMAG, SELFMAG) != 0) return;
        const Header& header = headers[0];
        segments_ = file_.array<Segment>(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Segment));
        const auto sections =
            file_.array<Section>(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Section));
        for (const unsigned wanted : {unsigned{SHT_SYMTAB}, unsigned{SHT_DYNSYM}}) {
            for (const Section& each : sections) {
                if (each.sh_type != wanted || each.sh_link >= sections.size()) continue;
                symbols_ = file_.array<Symbol>(each.sh_offset, each.sh_size);
                const Section& texts = sections[each.sh_link];
                texts_ = file_.array<char>(texts.sh_offset, texts.sh_size);
                return;
            }
        }
    }

    /// The address that the file itself gives to a byte of it.
    std::uintptr_t address_of(std::uintptr_t offset) const noexcept {
        for (const Segment& each : segments_) {
            if (each.p_type == PT_LOAD && offset >= each.p_offset && offset - each.p_offset < each.p_filesz)
                return offset - each.p_offset + each.p_vaddr;
        }
        return offset;
    }
    /// The mangled name of the function there, or nothing.
    std::string_view function_at(std::uintptr_t address) const noexcept {
        for (const Symbol& each : symbols_) {
            if ((each.st_info & 0xf) != STT_FUNC || each.st_shndx == SHN_UNDEF ||
                each.st_name >= texts_.size())
                continue;
            if (address < each.st_value || address - each.st_value >= each.st_size) continue;
            const char* const name = &texts_[each.st_name];
            return {name, ::strnlen(name, texts_.size() - each.st_name)};
        }
        return {};
    }

  private:
    MappedFile file_;
    std::span<const Segment> segments_;
    std::span<const Symbol> symbols_;
    std::span<const char> texts_;
};

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string describe(std::uintptr_t address, const std::vector<Mapping>& mappings) {
    char number[32];
    for (const Mapping& each : mappings) {
        if (address < each.begin || address >= each.end) continue;
        const ElfFile elf(each.file.c_str());
        const std::uintptr_t own = elf.address_of(address - each.begin + each.offset);
        std::snprintf(number, sizeof number, "+0x%zx)", own);
        const std::string function(elf.function_at(own));
        const std::string place = " (" + base_name(each.file) + number;
        return (function.empty() ? "??" : detail::native_function_name(function)) + place;
    }
    std::snprintf(number, sizeof number, "?? (0x%zx)", address);
    return number;
}

}  // namespace

std::vector<std::string> describe_addresses(std::span<const std::uintptr_t> addresses) {
    const std::vector<Mapping> mappings = read_mappings();
    std::vector<std::string> texts;
    texts.reserve(addresses.size());
    for (const std::uintptr_t each : addresses) texts.push_back(describe(each, mappings));
    return texts;
}

}}}  // namespace asyncio::v1::debug
