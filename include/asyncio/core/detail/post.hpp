// A post: what another thread hands to a loop, to be run there. Users never read this file.
#pragma once
#include <memory>
#include <utility>

#include "asyncio/base/function.hpp"
#include "asyncio/core/detail/loop_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Stands in the list of posts, then in the ready queue. One that lies in another object is nobody's to free;
/// `make_post` gives one whose block goes back to those who post.
struct Post : Leaf {
    UniqueFunction<void()> function;
    Post* next = nullptr;

    explicit Post(UniqueFunction<void()>&& f) noexcept : Post(&embedded_ops, std::move(f)) {}

  private:
    friend Post* make_post(UniqueFunction<void()>&& function);
    Post(const LeafOps* o, UniqueFunction<void()>&& f) noexcept : Leaf(o), function(std::move(f)) {}
    static const LeafOps embedded_ops;
    static const LeafOps block_ops;
    friend bool is_post(const Leaf* leaf) noexcept;
    friend void drop_post(Post* post) noexcept;
};

/// Throws std::bad_alloc.
Post* make_post(UniqueFunction<void()>&& function);
/// Destroys what it would have called, and the post itself if `make_post` made it.
void drop_post(Post* post) noexcept;
/// Whether an entry of the ready queue is one.
bool is_post(const Leaf* leaf) noexcept;

struct DropPost {
    void operator()(Post* post) const noexcept { drop_post(post); }
};
using PostPtr = std::unique_ptr<Post, DropPost>;

}}}  // namespace asyncio::v1::detail
