// for_each_order. An order is a row of digits, one for each choice that the loop has, in base of how many
// frames it chooses from; the row as one number is the seed (see counted_order in loop_impl.hpp). A run tells
// the bases it has met; the next row is this one with its last digit that has room increased and those behind
// it gone.
#include "asyncio/testing/for_each_order.hpp"

#include "detail/loop_impl.hpp"
#include "testing/scenario.hpp"

namespace asyncio { inline namespace v1 { namespace testing { namespace detail {

namespace {

/// The digits of an order, for the bases that were met.
class Digits {
  public:
    /// The seed of this order; the digits all lie below 2^63 together, or `grown_too_long` is set.
    std::uint64_t seed() const noexcept {
        std::uint64_t value = 0;
        std::uint64_t weight = 1;
        for (std::size_t i = 0; i != digits_.size(); ++i) {
            value += digits_[i] * weight;
            weight *= bases_[i];
        }
        return value | counted_order;
    }
    /// Goes on to the next order after a run that met these bases. False: there is none.
    bool next(const std::vector<std::uint64_t>& met) {
        std::size_t usable = 0;
        for (std::uint64_t weight = 1; usable != met.size(); ++usable) {
            if (__builtin_mul_overflow(weight, met[usable], &weight) || weight >= counted_order) {
                cut_ = true;
                break;
            }
        }
        bases_.assign(met.begin(), met.begin() + static_cast<std::ptrdiff_t>(usable));
        digits_.resize(usable, 0);
        while (!digits_.empty() && digits_.back() + 1 == bases_[digits_.size() - 1]) digits_.pop_back();
        if (digits_.empty()) return false;
        ++digits_.back();
        return true;
    }
    /// There were choices too far out to be counted.
    bool cut() const noexcept { return cut_; }

  private:
    std::vector<std::uint64_t> digits_;
    std::vector<std::uint64_t> bases_;
    bool cut_ = false;
};

}  // namespace

Orders run_orders(Scenario& scenario, unsigned bound) {
    Orders orders;
    const CancelPointOptions options;
    RunPlan plan;
    if (const std::uint64_t given = seed_of_environment(); given != 0) {
        plan.seed = given;
        run_scenario(scenario, options, plan);
        orders.runs = 1;
        return orders;
    }
    Digits digits;
    std::vector<std::uint64_t> met;
    plan.choices = &met;
    bool more = true;
    for (; more && orders.runs < bound; ++orders.runs) {
        met.clear();
        plan.seed = digits.seed();
        run_scenario(scenario, options, plan);
        more = digits.next(met);
    }
    orders.all = !more && !digits.cut();
    if (orders.all) return orders;
    plan.choices = nullptr;
    for (unsigned i = 1; i <= bound; ++i, ++orders.runs) {
        plan.seed = 0x9E3779B97F4A7C15u * i >> 1;
        run_scenario(scenario, options, plan);
    }
    return orders;
}

}}}}  // namespace asyncio::v1::testing::detail
