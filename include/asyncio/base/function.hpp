#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 {

template <class Signature>
class UniqueFunction;

namespace detail {

template <class T>
inline constexpr bool is_unique_function = false;
template <class Signature>
inline constexpr bool is_unique_function<UniqueFunction<Signature>> = true;

}  // namespace detail

/// A callable of any type, owned: std::function for callables that can be moved but not copied.
///
/// Callables of at most 32 bytes that move without throwing live inside, others on the heap. Moving never
/// throws; trivial callables move by a copy of bytes. Calling an empty one is an assertion.
///
/// Threads     as a plain value
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
  public:
    static constexpr std::size_t inline_size = 32;
    static constexpr std::size_t inline_align = 16;

    UniqueFunction() noexcept = default;
    UniqueFunction(std::nullptr_t) noexcept {}

    /// A null function pointer and an empty UniqueFunction make an empty one.
    template <class F, class D = std::decay_t<F>>
        requires(!std::is_same_v<D, UniqueFunction> && std::is_invocable_r_v<R, D&, Args...> &&
                 std::is_constructible_v<D, F>)
    UniqueFunction(F&& f) noexcept(fits<D> && std::is_nothrow_constructible_v<D, F>) {
        if constexpr (std::is_pointer_v<D> || std::is_member_pointer_v<D>) {
            const D pointer = f;  // A function itself decays here; compared directly it draws a warning.
            if (pointer == nullptr) {
                return;
            }
        } else if constexpr (detail::is_unique_function<D>) {
            if (!f) {
                return;
            }
        }
        if constexpr (moves_as_bytes<D> && fits<D> && sizeof(D) < bytes_moved<D>) {
            // A move copies all of these; those behind the callable are defined too.
            std::memset(storage_, 0, bytes_moved<D>);
        }
        if constexpr (fits<D>) {
            ::new (static_cast<void*>(storage_)) D(std::forward<F>(f));
            table_ = &inline_table<D>;
        } else {
            D* made = new D(std::forward<F>(f));
            std::memcpy(storage_, &made, sizeof made);
            table_ = &heap_table<D>;
        }
    }

    UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
    UniqueFunction& operator=(UniqueFunction&& other) noexcept {
        if (this != &other) {
            // The old callable dies last, when this object is consistent: its destructor may look at us.
            UniqueFunction old(std::move(*this));
            take(other);
        }
        return *this;
    }
    UniqueFunction& operator=(std::nullptr_t) noexcept {
        UniqueFunction old(std::move(*this));
        return *this;
    }
    UniqueFunction(const UniqueFunction&) = delete;
    UniqueFunction& operator=(const UniqueFunction&) = delete;
    ~UniqueFunction() {
        if (table_ != nullptr && table_->destroy != nullptr) {
            table_->destroy(storage_);
        }
    }

    explicit operator bool() const noexcept { return table_ != nullptr; }
    friend bool operator==(const UniqueFunction& f, std::nullptr_t) noexcept { return !f; }

    /// Calls the callable as a non-const object, whether or not this object is const.
    R operator()(Args... args) const {
        ASYNCIO_ASSERT(table_ != nullptr, "an empty UniqueFunction was called");
        return table_->call(storage_, std::forward<Args>(args)...);
    }

  private:
    struct Table {
        R (*call)(void*, Args&&...);
        void (*move)(void* to, void* from) noexcept;  // Null: a copy of the bytes does it …
        bool one_word;                                // … of the first eight.
        void (*destroy)(void*) noexcept;              // Null: nothing to do.
    };

    template <class D>
    static constexpr bool fits =
        sizeof(D) <= inline_size && alignof(D) <= inline_align && std::is_nothrow_move_constructible_v<D>;

    template <class D>
    static R invoke(D& f, Args&&... args) {
        if constexpr (std::is_member_pointer_v<D>) {
            if constexpr (std::is_void_v<R>) {
                static_cast<void>(invoke_member(f, std::forward<Args>(args)...));
            } else {
                return invoke_member(f, std::forward<Args>(args)...);
            }
        } else if constexpr (std::is_void_v<R>) {
            static_cast<void>(f(std::forward<Args>(args)...));
        } else {
            return f(std::forward<Args>(args)...);
        }
    }
    template <class D, class Object, class... Rest>
    static decltype(auto) invoke_member(D member, Object&& object, Rest&&... rest) {
        static_assert(std::is_member_function_pointer_v<D>, "wrap a pointer to a data member in a lambda");
        if constexpr (requires { (std::forward<Object>(object).*member)(std::forward<Rest>(rest)...); }) {
            return (std::forward<Object>(object).*member)(std::forward<Rest>(rest)...);
        } else {
            return ((*std::forward<Object>(object)).*member)(std::forward<Rest>(rest)...);
        }
    }
    template <class D>
    static D* pointer_in(void* storage) noexcept {
        D* made;
        std::memcpy(&made, storage, sizeof made);
        return made;
    }

    template <class D>
    static R call_inline(void* storage, Args&&... args) {
        return invoke(*std::launder(static_cast<D*>(storage)), std::forward<Args>(args)...);
    }
    template <class D>
    static void move_inline(void* to, void* from) noexcept {
        D* source = std::launder(static_cast<D*>(from));
        ::new (to) D(std::move(*source));
        source->~D();
    }
    template <class D>
    static void destroy_inline(void* storage) noexcept {
        std::launder(static_cast<D*>(storage))->~D();
    }
    template <class D>
    static R call_heap(void* storage, Args&&... args) {
        return invoke(*pointer_in<D>(storage), std::forward<Args>(args)...);
    }
    template <class D>
    static void destroy_heap(void* storage) noexcept {
        delete pointer_in<D>(storage);
    }

    template <class D>
    static constexpr bool moves_as_bytes = std::is_trivially_copyable_v<D>;
    template <class D>
    static constexpr std::size_t bytes_moved = sizeof(D) <= sizeof(void*) ? sizeof(void*) : inline_size;
    template <class D>
    static constexpr Table inline_table{&call_inline<D>, moves_as_bytes<D> ? nullptr : &move_inline<D>,
                                        bytes_moved<D> == sizeof(void*),
                                        std::is_trivially_destructible_v<D> ? nullptr : &destroy_inline<D>};
    template <class D>
    static constexpr Table heap_table{&call_heap<D>, nullptr, true, &destroy_heap<D>};

    void take(UniqueFunction& other) noexcept {
        table_ = std::exchange(other.table_, nullptr);
        if (table_ == nullptr) {
            return;
        }
        if (table_->move != nullptr) {
            table_->move(storage_, other.storage_);
        } else if (table_->one_word) {
            // Not more: a wide load of what was written a word at a time waits for the store.
            std::memcpy(storage_, other.storage_, sizeof(void*));
        } else {
            std::memcpy(storage_, other.storage_, inline_size);
        }
    }

    alignas(inline_align) mutable std::byte storage_[inline_size];
    const Table* table_ = nullptr;
};

}}  // namespace asyncio::v1
