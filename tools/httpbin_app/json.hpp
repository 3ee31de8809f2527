// As much JSON as a small server needs: texts are escaped, values that came as text are checked.
#pragma once

#include <string>
#include <string_view>

namespace httpbin {

/// Appends `text` as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
void append_json(std::string& out, std::string_view text);

/// Whether the text is one JSON value (RFC 8259), nested at most 64 deep.
bool is_json(std::string_view text);

}  // namespace httpbin
