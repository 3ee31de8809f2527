// Groups of exceptions and C++'s `except*`.
//
// A group is a tree: inner nodes are ExceptionGroups, the rest are leaves. Splitting walks the tree and
// builds a new, smaller tree for each half; a subtree that falls to one side as a whole is shared, not
// copied. Nothing here throws in order to look. The mutable part of handling, which leaves are still open,
// lives in GroupHandler alone: several awaiters may hold and handle the same group.

#include "asyncio/base/exception_group.hpp"

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 {
namespace {

std::string group_text(std::string_view message, std::size_t count) {
    std::string text(message);
    return text.append(" (")
        .append(std::to_string(count))
        .append(count == 1 ? " sub-exception)" : " sub-exceptions)");
}

void collect_leaves(const ExceptionGroup& group, std::vector<std::exception_ptr>& into) {
    for (const std::exception_ptr& member : group.exceptions()) {
        if (const auto* inner = exception_cast<ExceptionGroup>(member)) {
            collect_leaves(*inner, into);
        } else {
            into.push_back(member);
        }
    }
}

// Python's limits: more than this says nothing more to a reader.
constexpr std::size_t shown_members = 15;
constexpr std::size_t shown_depth = 10;
constexpr std::size_t shown_contexts = 10;

constexpr std::string_view in_place_of =
    "During handling of the above exception, another exception occurred:";

/// What `error` was thrown in place of, and that in place of …: the oldest first, as many as are shown.
std::vector<std::exception_ptr> contexts_of(const std::exception_ptr& error) {
    std::vector<std::exception_ptr> chain;
    for (auto each = context_of(error); each != nullptr && chain.size() < shown_contexts;
         each = context_of(each)) {
        chain.insert(chain.begin(), each);
    }
    return chain;
}

/// Appends `text` line by line, each with the margin of its depth.
void append_lines(std::string& out, std::size_t indent, std::string_view text) {
    for (;;) {
        const std::size_t end = text.find('\n');
        out.append(indent, ' ').append("| ").append(text.substr(0, end)).append("\n");
        if (end == std::string_view::npos) {
            return;
        }
        text.remove_prefix(end + 1);
    }
}

void append_group(std::string& out, const std::exception_ptr& self, const ExceptionGroup& group,
                  std::size_t depth);

/// One member of a group, with what it was thrown in place of. Returns whether a closing ruler was drawn.
bool append_member(std::string& out, const std::exception_ptr& member, std::size_t depth) {
    const std::size_t indent = 2 * (depth + 1);
    const auto append = [&](const std::exception_ptr& error) {
        const auto* const group = exception_cast<ExceptionGroup>(error);
        if (group != nullptr) {
            append_group(out, error, *group, depth);
        } else {
            append_lines(out, indent, describe(error));
        }
        return group != nullptr && depth < shown_depth;
    };
    for (const std::exception_ptr& context : contexts_of(member)) {
        append(context);
        append_lines(out, indent, in_place_of);
    }
    return append(member);
}

/// One group: its own line, then each member under a ruler. Python's traceback.TracebackException.format.
void append_group(std::string& out, const std::exception_ptr& self, const ExceptionGroup& group,
                  std::size_t depth) {
    const std::size_t indent = 2 * (depth + 1);
    if (depth >= shown_depth) {
        append_lines(out, indent, "... (max_group_depth is " + std::to_string(shown_depth) + ")");
        return;
    }
    append_lines(out, indent,
                 self != nullptr ? describe(self) : std::string("ExceptionGroup: ") + group.what());
    const std::vector<std::exception_ptr>& members = group.exceptions();
    const std::size_t shown = members.size() <= shown_members ? members.size() : shown_members;
    bool ruler_is_needed = true;
    for (std::size_t i = 0; i < shown; ++i) {
        out.append(indent, ' ').append(i == 0 ? "+-" : "  ");
        out.append("+---------------- ").append(std::to_string(i + 1)).append(" ----------------\n");
        // An inner group that came last has drawn the closing ruler already.
        ruler_is_needed = !append_member(out, members[i], depth + 1);
    }
    if (members.size() > shown) {
        const std::size_t more = members.size() - shown;
        out.append(indent + 2, ' ').append("+---------------- ... ----------------\n");
        append_lines(out, indent + 2,
                     "and " + std::to_string(more) + (more == 1 ? " more exception" : " more exceptions"));
        ruler_is_needed = true;
    }
    if (ruler_is_needed) {
        out.append(indent + 2, ' ').append("+------------------------------------\n");
    }
}

void append_top(std::string& out, const std::exception_ptr& error, std::string_view margin) {
    if (const auto* group = exception_cast<ExceptionGroup>(error)) {
        append_group(out, error, *group, 0);
    } else {
        out.append(margin).append(describe(error)).append("\n");
    }
}

}  // namespace

ExceptionGroup::ExceptionGroup(std::string_view message, std::vector<std::exception_ptr> exceptions)
    : Error(group_text(message, exceptions.size())), message_(message) {
    if (exceptions.empty()) {
        throw ValueError("an ExceptionGroup needs at least one exception");
    }
    for (const std::exception_ptr& member : exceptions) {
        if (member == nullptr) {
            throw ValueError("an ExceptionGroup cannot hold a null exception_ptr");
        }
    }
    exceptions_ = std::make_shared<const std::vector<std::exception_ptr>>(std::move(exceptions));
}

ExceptionGroup::~ExceptionGroup() = default;

ExceptionGroup ExceptionGroup::derive(std::vector<std::exception_ptr> exceptions) const {
    ExceptionGroup part(message(), std::move(exceptions));
    part.ContextCarrier::operator=(*this);
    return part;
}

std::vector<std::exception_ptr> ExceptionGroup::leaves() const {
    std::vector<std::exception_ptr> found;
    collect_leaves(*this, found);
    return found;
}

ExceptionGroup::Split ExceptionGroup::split_if(detail::LeafFilter wanted) const {
    std::vector<std::exception_ptr> matching;
    std::vector<std::exception_ptr> rest;
    for (const std::exception_ptr& member : exceptions()) {
        const auto* inner = exception_cast<ExceptionGroup>(member);
        if (inner == nullptr) {
            (wanted(member) ? matching : rest).push_back(member);
            continue;
        }
        Split halves = inner->split_if(wanted);
        if (!halves.rest.has_value()) {
            matching.push_back(member);
        } else if (!halves.matching.has_value()) {
            rest.push_back(member);
        } else {
            matching.push_back(std::make_exception_ptr(*std::move(halves.matching)));
            rest.push_back(std::make_exception_ptr(*std::move(halves.rest)));
        }
    }
    Split result;
    if (rest.empty()) {
        result.matching.emplace(*this);
    } else if (matching.empty()) {
        result.rest.emplace(*this);
    } else {
        result.matching.emplace(derive(std::move(matching)));
        result.rest.emplace(derive(std::move(rest)));
    }
    return result;
}

bool ExceptionGroup::contains_if(detail::LeafFilter wanted) const noexcept {
    for (const std::exception_ptr& member : exceptions()) {
        const auto* inner = exception_cast<ExceptionGroup>(member);
        if (inner != nullptr ? inner->contains_if(wanted) : wanted(member)) {
            return true;
        }
    }
    return false;
}

void ExceptionGroup::rethrow_rest() const { throw ExceptionGroup(*this); }

std::string ExceptionGroup::format() const {
    std::string out;
    append_group(out, nullptr, *this, 0);
    return out;
}

std::string format_exception(const std::exception_ptr& error, std::string_view margin) {
    std::string out;
    if (error == nullptr) return out;
    for (const std::exception_ptr& context : contexts_of(error)) {
        append_top(out, context, margin);
        out.append(margin).append(in_place_of).append("\n");
    }
    append_top(out, error, margin);
    return out;
}

std::vector<std::exception_ptr> GroupHandler::take(detail::LeafFilter wanted) {
    if (!rest_.has_value()) {
        return {};
    }
    ExceptionGroup::Split halves = rest_->split_if(wanted);
    if (!halves.matching.has_value()) {
        return {};
    }
    std::vector<std::exception_ptr> leaves = halves.matching->leaves();
    // Now, so that keeping what a handler throws cannot fail.
    raised_.reserve(raised_.size() + leaves.size());
    rest_ = std::move(halves.rest);
    return leaves;
}

void GroupHandler::keep_current_exception() noexcept { raised_.push_back(std::current_exception()); }

std::exception_ptr GroupHandler::rest() const {
    if (raised_.empty()) {
        return rest_.has_value() ? std::make_exception_ptr(*rest_) : nullptr;
    }
    std::vector<std::exception_ptr> all = raised_;
    if (rest_.has_value()) {
        all.push_back(std::make_exception_ptr(*rest_));
    }
    return std::make_exception_ptr(ExceptionGroup("failures while a group was handled", std::move(all)));
}

void GroupHandler::rethrow_rest() const {
    if (std::exception_ptr left = rest(); left != nullptr) {
        std::rethrow_exception(left);
    }
}

}}  // namespace asyncio::v1
