"""Programs about async generators, written by hand: one for each edge.

A name says what happens. Procedure 0 is main; the others are bodies of generators and of tasks.
"""

from handwritten import guard, swallow


def uses(body, *ops):
    """Main makes generator 0 of `body`, then does `ops`."""
    return [[["gen", 0, 1], *ops], body]


def shared(body, task, *ops):
    """The same, and task 0 does `task` with it."""
    return [[["gen", 0, 1], ["spawn", 0, 2], *ops], body, task]


def cleanup(*steps):
    """Yields 1, then does `steps` in a `finally`."""
    return [["gtry", [["yield", 1]], [], list(steps)]]


PROGRAMS = {
    # --- items ---
    "items_come_one_by_one_then_the_end_for_ever":
        uses([["log", "begin"], ["yield", 1], ["log", "between"], ["yield", 2], ["log", "end"]],
             ["log", "made"], ["anext", 0], ["anext", 0], ["anext", 0], ["anext", 0]),
    "items_take_no_pass_of_the_loop":
        uses([["yield", 1], ["yield", 2]], ["call_soon", 0, [["log", "later"]]], ["anext", 0], ["anext", 0],
             ["anext", 0], ["sleep", 0]),
    "body_that_never_yields_gives_the_end": uses([["sleep", 1]], ["anext", 0], ["anext", 0]),
    "body_awaits_between_items":
        uses([["sleep", 1], ["yield", 1], ["sleep", 2], ["yield", 2]], ["gfor", 0, [["sleep", 1]]]),
    "body_returns_early": uses([["yield", 1], ["ret", 5], ["yield", 2]], ["gfor", 0, []]),
    "return_in_a_try_runs_the_finally":
        uses([["gtry", [["yield", 1], ["ret", 5]], [], [["log", "f"], ["sleep", 1]]], ["yield", 2]],
             ["gfor", 0, []]),
    "body_that_raises_does_it_once":
        uses([["yield", 1], ["raise", 4]], ["anext", 0], guard(["anext", 0]), ["anext", 0]),
    "body_that_raises_before_its_first_item": uses([["raise", 4]], guard(["anext", 0]), ["anext", 0]),
    "body_that_raises_cancelled":
        uses([["yield", 1], ["raise_cancel"]], ["anext", 0], guard(["anext", 0]), ["me"], ["anext", 0]),
    "yield_in_a_finally": uses([["gtry", [["yield", 1]], [], [["yield", 2]]], ["yield", 3]], ["gfor", 0, []]),
    "yield_in_a_handler":
        uses([["gtry", [["raise", 4]], [["value", [["yield", 1], ["log", "on"], ["yield", 2]]]], []],
              ["yield", 3]], ["gfor", 0, []]),
    "error_in_a_handler_runs_the_finally":
        uses([["gtry", [["yield", 1], ["raise", 4]], [["value", [["raise", 5]]]], [["log", "f"]]]],
             guard(["gfor", 0, []]), ["anext", 0]),
    "loop_that_is_left_leaves_the_generator_where_it_is":
        uses([["yield", 1], ["yield", 2], ["yield", 3]], guard(["gfor", 0, [["raise", 7]]]), ["anext", 0],
             ["gfor", 0, []]),
    "loop_inside_a_procedure_that_returns_from_it":
        [[["gen", 0, 1], ["call", 2], ["anext", 0]], [["yield", 1], ["yield", 2]], [["gfor", 0, [["ret", 8]]]]],
    "one_generator_iterates_another":
        [[["gen", 0, 1], ["gen", 1, 2], ["gfor", 0, []]],
         [["anext", 1], ["yield", 10], ["gfor", 1, [["sleep", 1]]], ["yield", 20]],
         [["yield", 1], ["sleep", 1], ["yield", 2], ["yield", 3]]],
    "error_passes_from_one_generator_through_another":
        [[["gen", 0, 1], ["gen", 1, 2], guard(["gfor", 0, []]), ["anext", 1], ["anext", 0]],
         [["gtry", [["yield", 10], ["anext", 1], ["yield", 20]], [], [["log", "f"]]]], [["raise", 4]]],
    "two_tasks_take_turns":
        shared([["yield", 1], ["yield", 2], ["yield", 3]], [["anext", 0], ["sleep", 2], ["anext", 0]],
               ["sleep", 1], ["anext", 0], ["await", 0], ["anext", 0]),
    "body_runs_in_the_task_that_asks":
        shared([["me"], ["cancel_me"], ["yield", 1], ["me"]], [guard(["anext", 0], ["sleep", 0]), ["me"]],
               ["await", 0], ["me"], ["anext", 0]),
    "body_sees_and_sets_the_variable_of_who_asks":
        shared([["var"], ["setvar", 2], ["yield", 1], ["var"], ["setvar", 4], ["yield", 2]],
               [["var"], ["anext", 0], ["var"], ["setvar", 3]], ["setvar", 1], ["await", 0], ["var"],
               ["anext", 0], ["var"]),
    # --- asend ---
    "value_that_is_sent_is_what_the_yield_gives":
        uses([["yield", 1], ["yield", 2], ["yield", 3]], ["anext", 0], ["asend", 0, 7], ["anext", 0],
             ["asend", 0, 8], ["asend", 0, 9]),
    "value_sent_before_the_beginning_is_refused":
        uses([["log", "body"], ["yield", 1]], guard(["asend", 0, 7]), ["anext", 0], ["asend", 0, 8]),
    "value_sent_after_the_end_is_nobodys":
        uses([["yield", 1]], ["anext", 0], ["anext", 0], ["asend", 0, 7]),
    "value_sent_into_a_finally":
        uses(cleanup(["log", "f"], ["yield", 2]), ["anext", 0], ["anext", 0], ["asend", 0, 7]),
    # --- athrow ---
    "error_is_thrown_at_the_yield_and_passes":
        uses([["gtry", [["yield", 1]], [], [["log", "f"], ["sleep", 1]]], ["log", "no"]], ["anext", 0],
             guard(["athrow", 0, 4]), ["anext", 0]),
    "error_that_is_thrown_is_caught_and_the_next_item_given":
        uses([["gtry", [["yield", 1]], [["value", [["log", "h"]]]], []], ["yield", 2]], ["anext", 0],
             ["athrow", 0, 4], ["anext", 0]),
    "error_that_is_thrown_is_caught_and_the_body_ends":
        uses([["gtry", [["yield", 1]], [["value", []]], []]], ["anext", 0], ["athrow", 0, 4], ["anext", 0]),
    "error_that_is_thrown_turns_into_another":
        uses([["gtry", [["yield", 1]], [["value", [["raise", 5]]]], []]], ["anext", 0], guard(["athrow", 0, 4]),
             ["anext", 0]),
    "error_that_is_thrown_is_thrown_again":
        uses([["gtry", [["yield", 1]], [["value", [["sleep", 1], ["reraise"]]]], []]], ["anext", 0],
             guard(["athrow", 0, 4]), ["anext", 0]),
    "error_thrown_before_the_beginning_ends_it":
        uses([["log", "body"], ["yield", 1]], guard(["athrow", 0, 4]), ["anext", 0]),
    "cancelled_error_is_thrown_like_any":
        uses([["gtry", [["yield", 1]], [["cancel", [["yield", 2]]]], []]], ["anext", 0], ["athrow", 0, "cancel"],
             ["me"], ["anext", 0]),
    "cancelled_error_that_is_thrown_passes":
        uses(cleanup(["log", "f"]), ["anext", 0], guard(["athrow", 0, "cancel"]), ["me"], ["sleep", 1]),
    "exit_that_is_thrown_may_be_answered_with_an_item":
        uses([["gtry", [["yield", 1]], [["exit", [["yield", 2]]]], []]], ["anext", 0], ["athrow", 0, "exit"],
             ["anext", 0]),
    # --- aclose ---
    "closing_runs_the_finally": uses(cleanup(["log", "f"]), ["anext", 0], ["aclose", 0], ["anext", 0]),
    "closing_awaits_in_the_finally":
        uses(cleanup(["sleep", 2], ["log", "f"]), ["anext", 0], ["aclose", 0], ["anext", 0]),
    "closing_one_that_has_not_begun_runs_nothing":
        uses([["log", "body"], ["yield", 1]], ["aclose", 0], ["anext", 0]),
    "closing_one_that_has_ended_does_nothing": uses([["yield", 1]], ["gfor", 0, []], ["aclose", 0]),
    "closing_twice_runs_the_finally_once":
        uses(cleanup(["log", "f"]), ["anext", 0], ["aclose", 0], ["aclose", 0]),
    "closing_takes_no_pass_of_the_loop":
        uses(cleanup(["log", "f"]), ["call_soon", 0, [["log", "later"]]], ["anext", 0], ["aclose", 0], ["sleep", 0]),
    "exit_is_no_error_and_no_cancel":
        uses([["gtry", [["yield", 1]], [["error", [["log", "no"]]], ["cancel", [["log", "no"]]],
                                        ["any", [["log", "no"]]]], [["log", "f"]]]], ["anext", 0], ["aclose", 0]),
    "exit_that_is_caught_ends_it_all_the_same":
        uses([["gtry", [["yield", 1]], [["exit", [["log", "h"], ["sleep", 1]]]], []], ["log", "on"]],
             ["anext", 0], ["aclose", 0], ["anext", 0]),
    "exit_that_is_thrown_again":
        uses([["gtry", [["yield", 1]], [["exit", [["reraise"]]]], [["log", "f"]]]], ["anext", 0], ["aclose", 0]),
    "error_of_the_cleanup_leaves_the_close":
        uses(cleanup(["raise", 4]), ["anext", 0], guard(["aclose", 0]), ["anext", 0]),
    "item_in_answer_to_the_exit_is_an_error":
        uses([["gtry", [["yield", 1]], [["exit", [["yield", 2]]]], []]], ["anext", 0], guard(["aclose", 0])),
    "item_in_a_finally_at_the_exit_is_an_error":
        uses(cleanup(["yield", 2]), ["anext", 0], guard(["aclose", 0])),
    "scope_closes_it": uses(cleanup(["sleep", 1], ["log", "f"]), ["gwith", 0, [["anext", 0]]], ["anext", 0]),
    "scope_closes_it_when_its_body_fails":
        uses(cleanup(["sleep", 1], ["log", "f"]), guard(["gwith", 0, [["anext", 0], ["raise", 4]]])),
    "error_of_the_cleanup_takes_the_place_of_the_bodys":
        uses(cleanup(["raise", 5]), guard(["gwith", 0, [["anext", 0], ["raise", 4]]])),
    # --- two at once ---
    "second_consumer_is_refused_while_the_first_waits":
        shared([["sleep", 2], ["yield", 1]], [["anext", 0]], ["sleep", 1], guard(["anext", 0]),
               guard(["aclose", 0]), guard(["athrow", 0, 4]), ["await", 0], ["anext", 0]),
    "body_that_asks_itself_is_refused":
        uses([guard(["anext", 0]), ["yield", 1]], ["anext", 0], ["anext", 0]),
    "close_is_refused_while_it_is_being_closed":
        shared(cleanup(["sleep", 2]), [["aclose", 0]], ["anext", 0], ["sleep", 1], guard(["aclose", 0]),
               ["await", 0], ["aclose", 0]),
    # --- cancel ---
    "cancel_reaches_the_body_where_it_waits":
        shared([["gtry", [["sleep", 9]], [], [["log", "f"], ["sleep", 1]]]], [["anext", 0]], ["sleep", 1],
               ["cancel", 0], guard(["await", 0]), ["state", 0], ["anext", 0]),
    "cancel_that_the_body_swallows_gives_the_item":
        shared([swallow(["sleep", 9]), ["yield", 1], ["yield", 2]], [["anext", 0], ["me"], ["anext", 0]],
               ["sleep", 1], ["cancel", 0], ["await", 0], ["anext", 0]),
    "cancel_that_the_body_turns_into_an_error":
        shared([["gtry", [["sleep", 9]], [["cancel", [["raise", 4]]]], []]], [guard(["anext", 0]), ["me"]],
               ["sleep", 1], ["cancel", 0], ["await", 0]),
    "cancel_between_two_items_leaves_the_body_where_it_is":
        shared(cleanup(["log", "f"]), [["anext", 0], ["sleep", 9]], ["sleep", 1], ["cancel", 0],
               guard(["await", 0]), ["log", "on"], ["anext", 0]),
    "cancel_reaches_the_cleanup_of_a_close":
        shared(cleanup(["sleep", 9], ["log", "no"]), [["anext", 0], ["aclose", 0]], ["sleep", 1], ["cancel", 0],
               guard(["await", 0]), ["anext", 0]),
    "cancel_that_the_cleanup_of_a_close_swallows":
        shared(cleanup(swallow(["sleep", 9]), ["log", "f"]), [["anext", 0], ["aclose", 0], ["me"]],
               ["sleep", 1], ["cancel", 0], ["await", 0]),
    "scope_closes_it_under_cancel":
        shared(cleanup(["sleep", 2], ["log", "f"]), [["gwith", 0, [["anext", 0], ["sleep", 9]]]], ["sleep", 1],
               ["cancel", 0], guard(["await", 0]), ["state", 0]),
    "timeout_around_an_item":
        uses([["gtry", [["sleep", 9]], [], [["log", "f"]]]], guard(["timeout", 2, [["anext", 0]]]), ["me"],
             ["anext", 0]),
    "timeout_inside_the_body":
        uses([guard(["timeout", 2, [["sleep", 9]]]), ["yield", 1], ["timeout", 5, [["sleep", 1]]], ["yield", 2]],
             ["gfor", 0, []]),
    "wait_for_around_a_loop":
        [[["gen", 0, 1], guard(["wait_for_call", 2, 3]), ["anext", 0]],
         [["gtry", [["yield", 1], ["sleep", 2], ["yield", 2], ["sleep", 2], ["yield", 3]], [], [["log", "f"]]]],
         [["gfor", 0, []]]],
    "group_inside_the_body":
        [[["gen", 0, 1], ["gfor", 0, []]], [["group", [["gspawn", 1, 2], ["sleep", 1]]], ["yield", 1]],
         [["sleep", 2], ["log", "child"]]],
    "group_is_aborted_while_its_body_waits_for_an_item":
        [[["gen", 0, 1], guard(["group", [["gspawn", 0, 2], ["gfor", 0, []]]]), ["anext", 0]],
         [["gtry", [["yield", 1], ["sleep", 9]], [], [["log", "f"], ["sleep", 1]]]], [["sleep", 1], ["raise", 4]]],
    "main_ends_while_a_task_waits_for_an_item":
        shared([["gtry", [["sleep", 9]], [], [["log", "f"], ["sleep", 1], ["log", "g"]]]], [["anext", 0]],
               ["sleep", 1], ["ret", 3]),
    "eager_task_asks_for_an_item":
        [[["gen", 0, 1], ["espawn", 0, 2], ["log", "main"], ["anext", 0], ["await", 0]],
         [["yield", 1], ["yield", 2]], [["anext", 0], ["sleep", 0], ["ret", 1]]],
    "lock_is_held_over_an_item":
        shared([["with", "lock", 0, [["log", "in"]]], ["acquire", "lock", 0], ["yield", 1], ["release", "lock", 0]],
               [["acquire", "lock", 0], ["release", "lock", 0]], ["anext", 0], ["sleep", 1], ["state", 0],
               ["anext", 0], ["await", 0]),
    "generator_is_fed_by_a_queue":
        shared([["get", 0], ["yield", 1], ["get", 0], ["yield", 2]], [["put", 0, 50], ["put", 0, 51], ["sleep", 1]],
               ["gfor", 0, [["sleep", 0]]], ["await", 0]),
}
