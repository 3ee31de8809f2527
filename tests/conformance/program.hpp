// The recorded programs of data/*.json (README.md is their definition).
#pragma once
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/paths.hpp"

namespace conformance {

/// An operation, or a list of them, as it stands in the file.
using Json = nlohmann::json;

struct Program {
    std::string name;
    std::vector<std::string> tags;
    Json procs;
    std::string outcome;
    std::vector<std::string> trace;
};

/// Where the programs are: data/, or what `record.py --more` wrote.
inline std::string data_folder() {
    const char* const other = std::getenv("ASYNCIO_CONFORMANCE_DATA");
    return other != nullptr ? other : std::string(asyncio::test::tests_folder) + "/conformance/data";
}

/// The programs of `<style>.json`.
inline std::vector<Program> load(const std::string& style) {
    const std::string path = data_folder() + "/" + style + ".json";
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot open " + path);
    const Json data = Json::parse(file);
    if (data.at("format") != 1) throw std::runtime_error(path + ": unknown format");
    std::vector<Program> programs;
    for (const Json& each : data.at("programs")) {
        Program& program = programs.emplace_back();
        each.at("name").get_to(program.name);
        each.at("tags").get_to(program.tags);
        program.procs = each.at("procs");
        each.at("outcome").get_to(program.outcome);
        each.at("trace").get_to(program.trace);
    }
    return programs;
}

}  // namespace conformance
