"""Programs written by hand, one for each edge of asyncio that has surprised somebody.

A name says what happens. Procedure 0 is main.
"""


def swallow(*ops):
    """try: ops; except CancelledError: (nothing)"""
    return ["try", list(ops), [["cancel", []]]]


def guard(*ops):
    """try: ops; except (Exception, CancelledError): (nothing)"""
    return ["try", list(ops), [["any", []]]]


def sleeper(ms, value):
    return [["sleep", ms], ["ret", value]]


PROGRAMS = {
    # --- tasks and cancellation ---
    "cancel_before_the_first_step_runs_nothing":
        [ [["spawn", 0, 1], ["cancel", 0], guard(["await", 0]), ["state", 0]], [["try", [["log", "body"],
         ["sleep", 1]], [["cancel", []]], [["log", "finally"]]]]],
    "cancel_twice_before_the_first_step":
        [ [["spawn", 0, 1], ["cancel", 0, "a"], ["cancel", 0, "b"], ["state", 0], guard(["await", 0])],
         [["log", "body"]]],
    "result_set_then_cancel_in_the_same_tick_is_lost":
        [ [["fut", 0], ["spawn", 0, 1], ["sleep", 0], ["set", 0, 7], ["cancel", 0], guard(["await", 0]),
         ["state", 0], ["fstate", 0]], [["fawait", 0], ["ret", 1]]],
    "future_cancelled_then_task_cancelled_in_the_same_tick":
        [ [["fut", 0], ["spawn", 0, 1], ["sleep", 0], ["fcancel", 0], ["cancel", 0], ["sleep", 1],
         ["state", 0]], [swallow(["fawait", 0]), ["me"], ["sleep", 0], ["ret", 1]]],
    "self_cancel_then_return_ends_cancelled":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [["cancel_me"], ["me"], ["ret", 12]]],
    "self_cancel_then_raise_ends_with_the_error":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [["cancel_me"], ["raise", 3]]],
    "self_cancel_is_delivered_at_the_next_sleep":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["await", 0]), ["state", 0]], [["cancel_me", "why"],
         ["log", "still here"], ["sleep", 5]], [["log", "other"], ["sleep", 0], ["log", "other"]]],
    "self_cancel_at_sleep_zero":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["await", 0])], [["cancel_me"], ["sleep", 0]],
         [["log", "other"], ["sleep", 0], ["log", "other"]]],
    "main_cancels_itself_and_returns": [[["cancel_me"], ["ret", 5]]],
    "uncancel_to_zero_takes_back_a_pending_cancel":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [["cancel_me"], ["uncancel"], ["sleep", 1],
         ["ret", 4]]],
    "uncancel_above_zero_leaves_the_cancel_pending":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [["cancel_me"], ["cancel_me"], ["uncancel"],
         swallow(["sleep", 1]), ["me"], ["ret", 4]]],
    "uncancel_does_not_go_below_zero": [[["uncancel"], ["uncancel"], ["me"]]],
    "two_cancels_in_one_tick_are_delivered_once":
        [ [["spawn", 0, 1], ["sleep", 0], ["cancel", 0, "a"], ["cancel", 0, "b"], guard(["await", 0])],
         [swallow(["sleep", 9]), ["me"], ["sleep", 1], ["log", "on"], ["ret", 2]]],
    "cancel_swallowed_twice_then_a_result":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], ["sleep", 1], ["cancel", 0], ["sleep", 1],
         ["await", 0]], [swallow(["sleep", 9]), ["me"], swallow(["sleep", 9]), ["me"], ["sleep", 1],
         ["ret", 2]]],
    "cancel_of_a_done_task_says_no":
        [ [["spawn", 0, 1], ["await", 0], ["cancel", 0], ["state", 0], ["result", 0]], [["ret", 3]]],
    "cancel_message_reaches_the_awaiter":
        [ [["spawn", 0, 1], ["sleep", 0], ["cancel", 0, "bye"], guard(["await", 0])], sleeper(5, 1)],
    "cancel_goes_through_a_chain_of_awaits":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 0], ["state", 1],
         ["state", 2]], [["spawn", 1, 2], ["await", 1]], [["spawn", 2, 3], ["await", 2]], [["sleep", 9]]],
    "awaited_task_swallows_the_cancel_meant_for_its_awaiter":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], ["state", 0], guard(["await", 0]), ["state", 0]],
         [["spawn", 1, 2], ["await", 1], ["me"], ["sleep", 0], ["log", "on"]], [swallow(["sleep", 9]), ["me"],
         ["ret", 5]]],
    "two_awaiters_of_one_task_and_one_is_cancelled":
        [ [["spawn", 0, 3], ["spawn", 1, 1], ["spawn", 2, 1], ["sleep", 1], ["cancel", 1], ["sleep", 0],
         ["sleep", 0], ["sleep", 0], ["state", 0], ["state", 1], ["state", 2]], [["await", 0]], [],
         sleeper(5, 1)],
    "raising_cancelled_error_by_oneself_ends_cancelled":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0], ["me"]], [["raise_cancel"]]],
    "cleanup_under_cancel_may_await":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["log", "after"]],
         [["try", [["sleep", 9]], [], [["log", "cleanup"], ["sleep", 3], ["log", "cleaned"]]]]],
    "cleanup_is_cancelled_too":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], ["sleep", 1], ["cancel", 0], guard(["await", 0])],
         [["try", [["sleep", 9]], [], [["log", "cleanup"], ["sleep", 3], ["log", "not reached"]]]]],
    "cancel_turned_into_another_error":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 0]],
         [["try", [["sleep", 9]], [["cancel", [["raise", 4]]]]]]],
    "awaiting_a_done_task_does_not_suspend":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["call_soon", 0, [["log", "later"]]], ["await", 0],
         guard(["await", 1]), ["log", "first"], ["sleep", 0]], [["ret", 6]], [["raise", 2]]],
    "sleep_zero_is_one_pass_of_the_loop":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["call_soon", 0, [["log", "soon"]]],
         ["loop", 3, [["sleep", 0]]]], [["loop", 3, [["sleep", 0]]]]],
    "spawn_runs_in_order_of_creation":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["call_soon", 0, [["log", "soon"]]], ["spawn", 2, 1],
         ["sleep", 0], ["log", "main"]], [["log", "x"]], [["spawn", 3, 1], ["log", "y"]]],
    "inline_call_takes_no_pass":
        [ [["spawn", 0, 2], ["call", 1], ["log", "before t0"], ["sleep", 0]], [["ret", 3]], [["log", "t0"]]],
    "done_callbacks_run_in_order_one_pass_after_the_end":
        [ [["spawn", 0, 1], ["cb", 0, "a"], ["spawn", 1, 2], ["cb", 0, "b"], ["await", 0], ["cb", 0, "late"],
         ["log", "main"], ["sleep", 0]], [["sleep", 1], ["call_soon", 0, [["log", "soon"]]], ["ret", 1]],
         [["await", 0]]],
    "a_task_that_is_never_awaited_keeps_its_error":
        [ [["spawn", 0, 1], ["sleep", 1], ["state", 0], ["result", 0]], [["raise", 8]]],
    "all_tasks_lists_the_living":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["tasks"], ["cancel", 0], ["sleep", 0], ["tasks"], ["await", 1],
         ["tasks"]], [["sleep", 2], ["tasks"]]],
    # --- timers and callbacks ---
    "twelve_timers_at_one_time_run_in_order_of_creation":
        [ [["call_at", n, 10, [["log", str(n)]]] for n in range(12)] + [["sleep", 10], ["log", "main"]]],
    "timers_at_one_time_made_by_different_means":
        [ [["spawn", 0, 1], ["call_later", 0, 5, [["log", "later"]]], ["call_at", 1, 5, [["log", "at"]]],
         ["sleep", 5], ["log", "main"]], [["timeout", 5, [swallow(["sleep", 9])]]]],
    "call_later_zero_goes_through_the_timers":
        [ [["call_later", 0, 0, [["log", "timer"]]], ["call_soon", 1, [["log", "soon"]]], ["spawn", 0, 1],
         ["sleep", 0], ["log", "main 1"], ["sleep", 0], ["log", "main 2"]], [["log", "t0"]]],
    "overdue_timers_run_in_order_of_deadline":
        [ [["sleep", 5], ["call_at", 0, 3, [["log", "three"]]], ["call_at", 1, 1, [["log", "one"]]],
         ["call_later", 2, 0, [["log", "now"]]], ["sleep", 1]]],
    "cancelled_handles_do_not_run":
        [ [["call_soon", 0, [["log", "no"]]], ["call_later", 1, 1, [["log", "no"]]],
         ["call_later", 2, 1, [["log", "yes"]]], ["hcancel", 0], ["hcancel", 1], ["sleep", 2],
         ["hcancel", 2]]],
    "callback_cancels_a_handle_of_the_same_pass":
        [ [["call_soon", 0, [["hcancel", 1], ["log", "first"]]], ["call_soon", 1, [["log", "no"]]],
         ["sleep", 0]]],
    "callback_error_goes_to_the_exception_handler":
        [ [["call_soon", 0, [["log", "before"], ["raise", 9], ["log", "no"]]],
         ["call_soon", 1, [["log", "next"]]], ["sleep", 0], ["log", "main"]]],
    "callback_spawns_a_task":
        [ [["call_later", 0, 2, [["spawn", 0, 1], ["log", "spawned"]]], ["sleep", 2], ["sleep", 0],
         ["await", 0]], [["ret", 5]]],
    # --- futures ---
    "future_wakes_its_waiters_in_order":
        [ [["fut", 0], ["spawn", 0, 1], ["spawn", 1, 1], ["fcb", 0, "c"], ["spawn", 2, 1], ["sleep", 0],
         ["set", 0, 3], ["log", "set"], ["sleep", 0], ["sleep", 0]], [["fawait", 0]]],
    "future_set_twice_is_an_invalid_state":
        [ [["fut", 0], ["set", 0, 1], ["set", 0, 2], ["fail", 0, 3], ["fcancel", 0], ["fawait", 0],
         ["fcb", 0, "late"], ["sleep", 0]]],
    "future_fails_for_all_its_waiters":
        [ [["fut", 0], ["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 0], ["fail", 0, 3], ["sleep", 1],
         guard(["fawait", 0])], [guard(["fawait", 0])]],
    "future_cancelled_wakes_with_cancelled_error_and_no_count":
        [ [["fut", 0], ["spawn", 0, 1], ["sleep", 0], ["fcancel", 0, "msg"], ["sleep", 1], ["fstate", 0],
         ["state", 0]], [swallow(["fawait", 0]), ["me"]]],
    "cancelling_a_waiter_cancels_the_future":
        [ [["fut", 0], ["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 0], ["cancel", 0], ["fstate", 0],
         ["sleep", 1], ["state", 0], ["state", 1]], [["fawait", 0]]],
    "future_set_by_a_timer_and_a_sleep_of_the_same_length":
        [ [["fut", 0], ["call_later", 0, 3, [["set", 0, 1]]], ["spawn", 0, 1], ["fawait", 0],
         ["log", "main"]], [["sleep", 3]]],
    # --- gather ---
    "gather_of_nothing": [[["gather", [], 0], ["gather", [], 1]]],
    "gather_the_same_task_twice": [[["spawn", 0, 1], ["gather", [0, 0], 0]], [["sleep", 1], ["ret", 1]]],
    "gather_results_in_order_of_arguments":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["gather", [0, 1], 0]], sleeper(5, 50), sleeper(1, 10)],
    "gather_first_error_leaves_the_sibling_running":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["gather", [0, 1], 0]), ["state", 1], ["sleep", 9],
         ["state", 1]], [["sleep", 1], ["raise", 1]], sleeper(5, 2)],
    "gather_two_errors_the_first_to_fail_wins":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["gather", [0, 1], 0]), ["sleep", 5]], [["sleep", 2],
         ["raise", 1]], [["sleep", 1], ["raise", 2]]],
    "gather_return_exceptions_keeps_all":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["sleep", 0], ["cancel", 2],
         ["gather", [0, 1, 2], 1]], sleeper(1, 1), [["raise", 2]], sleeper(3, 3)],
    "gather_cancelled_child_counts_as_an_error":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["call_later", 0, 1, [["cancel", 0]]], guard(["gather", [0, 1],
         0]), ["me"], ["state", 1]], sleeper(5, 1)],
    "gather_cancelled_cancels_its_children":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 2], ["sleep", 1], ["cancel", 0],
         guard(["await", 0]), ["state", 1], ["state", 2]], [["gather", [1, 2], 0]], [["sleep", 9]]],
    "gather_cancelled_with_return_exceptions_still_raises":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 2], ["sleep", 1], ["cancel", 0],
         guard(["await", 0]), ["state", 1], ["state", 2]], [["gather", [1, 2], 1]], [["sleep", 9]]],
    "gather_cancelled_and_a_child_swallows":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["sleep", 1], ["cancel", 0],
         guard(["await", 0]), ["state", 2], ["sleep", 9]], [["gather", [1, 2], 0]], [["sleep", 9]],
         [swallow(["sleep", 9]), ["sleep", 3], ["ret", 3]]],
    "gather_cancelled_and_all_children_swallow":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 2], ["sleep", 1], ["cancel", 0],
         guard(["await", 0])], [["gather", [1, 2], 0]], [swallow(["sleep", 9]), ["sleep", 3], ["ret", 3]]],
    "gather_of_done_tasks_does_not_suspend":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 0], ["sleep", 0], ["call_soon", 0, [["log", "later"]]],
         ["gather", [0, 1], 0], ["log", "first"], ["sleep", 0]], [["ret", 1]]],
    "gather_of_a_done_and_a_pending_task":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 0], ["gather", [0, 1], 0]], [["ret", 1]],
         sleeper(2, 2)],
    "gather_of_a_failed_task_does_not_suspend":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 0], ["sleep", 0], ["call_soon", 0, [["log", "later"]]],
         guard(["gather", [1, 0], 0]), ["log", "first"], ["sleep", 0]], [["raise", 1]], sleeper(2, 2)],
    "gather_cancelled_when_its_last_child_has_just_ended":
        [ [["fut", 0], ["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 0], ["set", 0, 4], ["sleep", 0],
         ["cancel", 0], ["state", 1], guard(["await", 0]), ["state", 0]], [["gather", [1], 0]],
         [["fawait", 0], ["ret", 3]]],
    "gather_same_task_twice_cancelled_counts_two":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0])],
         [["gather", [1, 1], 0]], [["try", [["sleep", 9]], [["cancel", [["me"], ["reraise"]]]]]]],
    # --- shield ---
    "shield_cancelled_and_the_inner_task_runs_on":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 1],
         ["await", 1]], [["shield", 1]], sleeper(5, 7)],
    "shield_of_a_task_that_is_cancelled_itself":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 1], guard(["await", 0]), ["state", 0]],
         [guard(["shield", 1]), ["me"]], sleeper(5, 7)],
    "shield_of_a_done_task_does_not_suspend":
        [ [["spawn", 0, 1], ["sleep", 1], ["call_soon", 0, [["log", "later"]]], ["shield", 0],
         ["log", "first"], ["sleep", 0]], [["ret", 3]]],
    "shield_passes_the_error_on": [[["spawn", 0, 1], guard(["shield", 0])], [["sleep", 1], ["raise", 6]]],
    "shield_takes_one_more_pass_than_await":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["sleep", 5]], sleeper(1, 1), [["shield", 0]],
         [["await", 0]]],
    "shield_inside_wait_for":
        [ [["spawn", 0, 1], guard(["wait_for_call", 2, 2]), ["state", 0], ["await", 0]], sleeper(5, 1),
         [["shield", 0]]],
    "shield_does_not_protect_from_the_end_of_run":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1]], [["shield", 1]], [["try", [["sleep", 9]], [],
         [["log", "f"]]]]],
    # --- wait ---
    "wait_for_all":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["wait", [0, 1], None, "all"]], sleeper(2, 1), [["sleep", 1],
         ["raise", 2]]],
    "wait_for_the_first":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 2], ["wait", [0, 1, 2], None, "first"],
         ["cancel", 0], ["wait", [0], None, "all"]], sleeper(5, 1), sleeper(1, 2)],
    "wait_for_the_first_error_ignores_a_cancelled_task":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 1], ["sleep", 0], ["cancel", 0], ["wait", [0, 1, 2],
         None, "exc"], ["state", 2]], sleeper(5, 1), [["sleep", 2], ["raise", 2]]],
    "wait_timeout_cancels_nothing":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["wait", [0, 1], 2, "all"], ["wait", [1], None, "all"]],
         sleeper(1, 1), sleeper(5, 2)],
    "wait_timeout_zero":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["wait", [0, 1], 0, "all"], ["sleep", 2]], sleeper(1, 1),
         [["ret", 2]]],
    "wait_timeout_at_the_very_end_of_a_task":
        [ [["spawn", 0, 1], ["wait", [0], 2, "all"], ["sleep", 0]], sleeper(2, 1)],
    "wait_timeout_set_before_the_task_sleeps":
        [ [["spawn", 0, 1], ["sleep", 0], ["wait", [0], 2, "all"], ["sleep", 0]], sleeper(2, 1)],
    "wait_cancelled_leaves_the_tasks_alone":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 1],
         ["await", 1]], [["wait", [1], None, "all"]], sleeper(3, 2)],
    "wait_on_done_tasks_still_takes_passes":
        [ [["spawn", 0, 1], ["sleep", 1], ["call_soon", 0, [["log", "later"]]], ["wait", [0], None, "all"],
         ["log", "end"]], [["ret", 1]]],
    "wait_collapses_duplicates": [[["spawn", 0, 1], ["wait", [0, 0], None, "all"]], sleeper(1, 1)],
    "wait_result_is_taken_when_the_waiter_resumes":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["wait", [0, 1], None, "first"], ["sleep", 2]], sleeper(1, 1)],
    # --- wait_for ---
    "wait_for_zero_never_starts_the_coroutine":
        [ [guard(["wait_for_call", 1, 0]), ["log", "after"]], [["log", "never"], ["sleep", 1]]],
    "wait_for_zero_of_a_done_task": [[["spawn", 0, 1], ["sleep", 1], ["wait_for", 0, 0]], [["ret", 1]]],
    "wait_for_zero_of_a_running_task":
        [ [["spawn", 0, 1], ["sleep", 1], guard(["wait_for", 0, 0]), ["state", 0]], [["try", [["sleep", 9]],
         [], [["sleep", 2], ["log", "cleaned"]]]]],
    "wait_for_times_out_and_waits_for_the_cleanup":
        [ [["spawn", 0, 1], guard(["wait_for", 0, 2]), ["state", 0], ["me"]], [["try", [["sleep", 9]], [],
         [["sleep", 3], ["log", "cleaned"]]]]],
    "wait_for_of_a_coroutine_times_out":
        [ [guard(["wait_for_call", 1, 2]), ["me"]], [["try", [["sleep", 9]], [], [["me"], ["sleep", 3],
         ["log", "cleaned"]]]]],
    "wait_for_returns_what_a_swallowing_coroutine_returns":
        [ [["wait_for_call", 1, 1], ["me"]], [swallow(["sleep", 9]), ["sleep", 1], ["ret", 42]]],
    "wait_for_returns_what_a_swallowing_task_returns":
        [ [["spawn", 0, 1], ["wait_for", 0, 1], ["me"], ["sleep", 0]], [swallow(["sleep", 9]), ["sleep", 1],
         ["ret", 42]]],
    "wait_for_passes_an_error_raised_under_cancel":
        [ [guard(["wait_for_call", 1, 1]), ["me"]], [["try", [["sleep", 9]], [["cancel", [["raise", 5]]]]]]],
    "wait_for_cancelled_from_outside":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 1]],
         [["wait_for", 1, 5]], sleeper(9, 1)],
    "wait_for_of_a_cancelled_task_is_no_timeout":
        [ [["spawn", 0, 1], ["call_later", 0, 1, [["cancel", 0]]], guard(["wait_for", 0, 5]), ["me"]],
         sleeper(9, 1)],
    "wait_for_without_a_limit": [[["spawn", 0, 1], ["wait_for", 0, None]], sleeper(9, 1)],
    "wait_for_limit_and_result_at_one_time_limit_first":
        [ [["spawn", 0, 1], guard(["wait_for", 0, 3]), ["state", 0]], sleeper(3, 1)],
    "wait_for_limit_and_result_at_one_time_result_first":
        [ [["spawn", 0, 1], ["sleep", 0], guard(["wait_for", 0, 3]), ["state", 0]], sleeper(3, 1)],
    "wait_for_coroutine_limit_and_result_at_one_time":
        [ [guard(["wait_for_call", 1, 3]), ["me"]], sleeper(3, 1)],
    "wait_for_limit_and_outside_cancel_at_one_time":
        [ [["spawn", 0, 1], ["call_at", 0, 3, [["cancel", 0]]], guard(["await", 0]), ["state", 0]],
         [["wait_for_call", 2, 3]], sleeper(9, 1)],
    "wait_for_outside_cancel_and_limit_at_one_time":
        [ [["spawn", 0, 1], ["sleep", 0], ["call_at", 0, 3, [["cancel", 0]]], guard(["await", 0]),
         ["state", 0]], [["wait_for_call", 2, 3]], sleeper(9, 1)],
    "wait_for_a_future_that_times_out_cancels_it":
        [ [["fut", 0], guard(["wait_for_fut", 0, 1]), ["fstate", 0]]],
    "wait_for_zero_cancelled_while_it_waits_for_the_cleanup":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 1],
         ["sleep", 5]], [["sleep", 0], ["wait_for", 1, 0]], [["try", [["sleep", 9]], [], [["sleep", 3],
         ["log", "cleaned"]]]]],
    "wait_for_zero_of_a_task_that_swallows":
        [ [["spawn", 0, 1], ["sleep", 0], ["wait_for", 0, 0], ["me"]], [swallow(["sleep", 9]), ["sleep", 1],
         ["ret", 8]]],
    # --- as_completed ---
    "as_completed_gives_tasks_in_order_of_completion":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["as_completed", [0, 1, 2], None, []]],
         sleeper(3, 1), sleeper(1, 2), [["sleep", 2], ["raise", 3]]],
    "as_completed_of_done_tasks":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 0], ["sleep", 0], ["call_soon", 0, [["log", "later"]]],
         ["as_completed", [1, 0], None, [["log", "item"]]]], [["ret", 1]]],
    "as_completed_with_a_slow_consumer":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["as_completed", [0, 1], None, [["sleep", 5]]]], sleeper(2, 1),
         sleeper(1, 2)],
    "as_completed_times_out_and_cancels_nothing":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["as_completed", [0, 1], 2, []]), ["state", 1],
         ["await", 1]], sleeper(1, 1), sleeper(5, 2)],
    "as_completed_cancelled_while_waiting":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 1]],
         [["as_completed", [1], None, []]], sleeper(5, 2)],
    # --- timeouts ---
    "timeout_expires": [[guard(["timeout", 2, [["sleep", 5], ["log", "no"]]]), ["me"]]],
    "timeout_does_not_expire": [[["timeout", 5, [["sleep", 2]]], ["sleep", 5]]],
    "timeout_swallowed_by_the_body_leaves_normally":
        [ [["timeout", 1, [swallow(["sleep", 5])]], ["me"], ["sleep", 1]]],
    "timeout_zero_without_a_suspension_does_not_expire":
        [ [["timeout", 0, [["log", "body"]]], ["sleep", 0], ["log", "on"]]],
    "timeout_zero_meets_sleep_zero": [[guard(["timeout", 0, [["sleep", 0], ["log", "no"]]])]],
    "timeout_none_never_expires": [[["timeout", None, [["sleep", 10]]]]],
    "timeout_at_in_the_past": [[["sleep", 3], guard(["timeout_at", 1, [["sleep", 1]]])]],
    "timeout_body_raises_another_error":
        [ [guard(["timeout", 2, [["sleep", 1], ["raise", 1]]]), ["sleep", 2]]],
    "timeout_body_turns_the_cancel_into_an_error":
        [ [guard(["timeout", 2, [["try", [["sleep", 5]], [["cancel", [["raise", 1]]]]]]]), ["me"]]],
    "timeout_error_of_the_user_passes": [[guard(["timeout", 2, [["raise_timeout"]]]), ["sleep", 3]]],
    "timeout_expires_during_cleanup":
        [ [guard(["timeout", 2, [["try", [["sleep", 1], ["raise", 1]], [], [["sleep", 5]]]]]), ["me"]]],
    "timeout_cancelled_from_outside":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0, "out"], guard(["await", 0]), ["state", 0]],
         [["timeout", 5, [["sleep", 9]]]]],
    "timeout_and_outside_cancel_in_one_tick_timeout_first":
        [ [["spawn", 0, 1], ["sleep", 0], ["call_at", 0, 3, [["cancel", 0]]], guard(["await", 0]),
         ["state", 0]], [["timeout", 3, [["sleep", 9]]]]],
    "timeout_and_outside_cancel_in_one_tick_cancel_first":
        [ [["call_at", 0, 3, [["cancel", 0]]], ["spawn", 0, 1], guard(["await", 0]), ["state", 0]],
         [["timeout", 3, [["sleep", 9]]]]],
    "timeout_deadline_and_sleep_end_at_one_time_timeout_first":
        [ [guard(["timeout", 3, [["sleep", 3]]]), ["me"]]],
    "timeout_deadline_and_sleep_end_at_one_time_sleep_first":
        [ [["spawn", 0, 1], ["spawn", 1, 2], guard(["await", 1])], sleeper(3, 1), [["sleep", 0],
         ["timeout", 3, [["await", 0], ["log", "got it"]]]]],
    "nested_timeouts_inner_expires":
        [ [guard(["timeout", 5, [guard(["timeout", 2, [["sleep", 9]]]), ["sleep", 1], ["log", "between"],
         ["sleep", 9]]])]],
    "nested_timeouts_outer_expires_first":
        [ [guard(["timeout", 2, [guard(["timeout", 5, [["sleep", 9]]]), ["log", "between"]]]), ["me"]]],
    "nested_timeouts_expire_together":
        [ [guard(["timeout", 3, [["timeout", 3, [["timeout", 3, [["sleep", 9]]]]]]]), ["me"], ["sleep", 1]]],
    "nested_timeouts_outer_expires_while_the_inner_cleans_up":
        [ [guard(["timeout", 3, [["timeout", 2, [["try", [["sleep", 9]], [], [["sleep", 5]]]]]]]), ["me"]]],
    "timeout_rescheduled_later": [[["timeout", 2, [["sleep", 1], ["resched", 0, 5], ["sleep", 4]]]]],
    "timeout_rescheduled_earlier": [[guard(["timeout", 9, [["resched", 0, 1], ["sleep", 4]]])]],
    "timeout_rescheduled_to_never": [[["timeout", 2, [["resched", 0, None], ["sleep", 9]]]]],
    "timeout_rescheduled_to_now": [[guard(["timeout", 9, [["resched", 0, 0], ["sleep", 1]]])]],
    "timeout_rescheduled_to_the_same_time_goes_behind":
        [ [["spawn", 0, 1], guard(["timeout", 3, [["sleep", 0], ["resched", 0, 3], ["await", 0],
         ["log", "in time"]]])], sleeper(3, 1)],
    "timeout_rescheduled_after_it_expired":
        [ [guard(["timeout", 1, [["try", [["sleep", 5]], [["cancel", [["resched", 0, 5]]]]]]]), ["me"]]],
    "outer_timeout_rescheduled_from_the_inner":
        [ [guard(["timeout", 9, [["timeout", 9, [["resched", 1, 2], ["sleep", 5]]]]])]],
    "timeout_in_a_handler_after_a_swallowed_cancel":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0])], [["try", [["sleep", 9]],
         [["cancel", [["me"], guard(["timeout", 2, [["sleep", 5]]]), ["me"], ["ret", 7]]]]]]],
    "timeout_in_a_finally_under_cancel":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 0]],
         [["try", [["sleep", 9]], [], [guard(["timeout", 2, [["sleep", 5]]]), ["log", "cleaned"]]]]],
    "timeout_around_a_task_that_swallows":
        [ [["spawn", 0, 1], ["timeout", 1, [["await", 0]]], ["me"], ["sleep", 1]], [swallow(["sleep", 5]),
         ["ret", 4]]],
    "timeout_in_a_loop":
        [ [["loop", 3, [["try", [["timeout", 1, [["sleep", 2]]]], [["timeout", [["log", "again"]]]]]]],
         ["me"]]],
    "return_leaves_a_timeout": [[["call", 1], ["sleep", 3]], [["timeout", 2, [["sleep", 1], ["ret", 4]]]]],
    # --- task groups ---
    "group_waits_for_its_tasks":
        [ [["group", [["gspawn", 0, 1], ["gspawn", 1, 2], ["log", "body"]]]], sleeper(2, 1), sleeper(1, 2)],
    "group_without_tasks_does_not_suspend":
        [ [["call_soon", 0, [["log", "later"]]], ["group", [["log", "body"]]], ["log", "first"],
         ["sleep", 0]]],
    "group_of_finished_tasks_does_not_suspend":
        [ [["group", [["gspawn", 0, 1], ["sleep", 0], ["sleep", 0], ["call_soon", 0, [["log", "later"]]]]],
         ["log", "first"], ["sleep", 0]], [["ret", 1]]],
    "group_first_failure_cancels_the_siblings":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2], ["gspawn", 2, 2]]]), ["me"]], [["sleep", 1],
         ["raise", 1]], [["try", [["sleep", 9]], [], [["sleep", 2], ["log", "cleaned"]]]]],
    "group_failure_cancels_the_body":
        [ [guard(["group", [["gspawn", 0, 1], ["sleep", 9], ["log", "no"]]]), ["me"], ["sleep", 1]],
         [["sleep", 1], ["raise", 1]]],
    "group_failure_and_the_body_swallows":
        [ [guard(["group", [["gspawn", 0, 1], swallow(["sleep", 9]), ["log", "body"], ["sleep", 1]]]), ["me"],
         ["sleep", 1]], [["sleep", 1], ["raise", 1]]],
    "group_two_failures_in_order":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]])], [["try", [["sleep", 9]], [],
         [["raise", 1]]]], [["sleep", 1], ["raise", 2]]],
    "group_failures_in_one_tick":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]])], [["sleep", 1], ["raise", 1]],
         [["sleep", 1], ["raise", 2]]],
    "group_body_error_comes_last":
        [ [guard(["group", [["gspawn", 0, 1], ["sleep", 1], ["raise", 2]]])], [["try", [["sleep", 9]], [],
         [["raise", 1]]]]],
    "group_body_error_alone":
        [ [guard(["group", [["gspawn", 0, 1], ["sleep", 1], ["raise", 2]]]), ["state", 0]], [["sleep", 9]]],
    "group_cancelled_child_is_no_error":
        [ [["group", [["gspawn", 0, 1], ["gspawn", 1, 2], ["sleep", 1], ["cancel", 0]]], ["me"]],
         [["sleep", 9]], sleeper(3, 1)],
    "group_child_spawns_while_the_group_waits":
        [ [["group", [["gspawn", 0, 1]]], ["log", "after"]], [["sleep", 1], ["gspawn", 1, 2]], [["sleep", 2],
         ["gspawn", 2, 3]], [["sleep", 1]]],
    "group_refuses_tasks_while_shutting_down":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]])], [["raise", 1]], [["try", [["sleep", 9]],
         [["cancel", [["gspawn", 2, 1]]]]]]],
    "group_cancelled_from_outside":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0, "out"], guard(["await", 0]), ["state", 0]],
         [["group", [["gspawn", 1, 2], ["gspawn", 2, 2]]]], [["try", [["sleep", 9]], [], [["sleep", 1]]]]],
    "group_body_cancelled_from_outside":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 0]],
         [["group", [["gspawn", 1, 2], ["sleep", 9]]]], [["try", [["sleep", 9]], [], [["sleep", 1]]]]],
    "group_cancelled_from_outside_and_a_child_fails":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0]), ["state", 0]],
         [guard(["group", [["gspawn", 1, 2]]]), ["me"], ["log", "one more await"], ["sleep", 1],
         ["log", "no"]], [["try", [["sleep", 9]], [["cancel", [["raise", 1]]]]]]],
    "group_cancelled_repeatedly_while_it_waits":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], ["sleep", 1], ["cancel", 0], ["sleep", 1],
         guard(["await", 0]), ["state", 0]], [guard(["group", [["gspawn", 1, 2]]]), ["me"]],
         [["try", [["sleep", 9]], [], [["sleep", 5], ["log", "cleaned"]]]]],
    "group_fails_and_is_cancelled_in_one_tick":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [guard(["group", [["gspawn", 1, 2],
         ["sleep", 9]]]), ["me"], ["sleep", 1], ["log", "no"]], [["sleep", 2],
         ["call_soon", 0, [["call_soon", 1, [["cancel", 0]]]]], ["raise", 1]]],
    "group_fails_and_a_later_cancel_is_swallowed_by_the_body":
        [ [["spawn", 0, 1], guard(["await", 0]), ["state", 0]], [guard(["group", [["gspawn", 1, 2],
         swallow(["sleep", 9]), ["me"]]]), ["me"], ["sleep", 1], ["log", "no"]], [["sleep", 2],
         ["call_soon", 0, [["call_soon", 1, [["cancel", 0]]]]], ["raise", 1]]],
    "group_is_cancelled_just_before_its_child_would_fail":
        [ [["spawn", 0, 1], ["call_at", 0, 2, [["cancel", 0]]], guard(["await", 0]), ["state", 0]],
         [guard(["group", [["gspawn", 1, 2], ["sleep", 9]]]), ["me"], ["sleep", 1], ["log", "end of t0"]],
         [["sleep", 2], ["raise", 1]]],
    "group_is_cancelled_and_fails_in_one_tick":
        [ [["spawn", 0, 1], ["sleep", 1], ["call_at", 0, 2, [["cancel", 0]]], guard(["await", 0]),
         ["state", 0]], [guard(["group", [["gspawn", 1, 2], ["sleep", 9]]]), ["me"], ["sleep", 1],
         ["log", "end of t0"]], [["sleep", 2], ["raise", 1]]],
    "group_child_swallows_the_abort":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]]), ["state", 1]], [["raise", 1]],
         [swallow(["sleep", 9]), ["sleep", 2], ["ret", 3]]],
    "group_child_fails_before_the_sibling_started":
        [ [guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]]), ["state", 1]], [["raise", 1]],
         [["log", "started"], ["sleep", 1]]],
    "nested_groups_inner_fails":
        [ [guard(["group", [["gspawn", 0, 2], guard(["group", [["gspawn", 1, 1], ["sleep", 9]]]),
         ["log", "outer goes on"]]]), ["me"]], [["sleep", 1], ["raise", 1]], sleeper(3, 1)],
    "nested_groups_outer_fails":
        [ [guard(["group", [["gspawn", 0, 1], guard(["group", [["gspawn", 1, 2], ["sleep", 9]]]),
         ["log", "after inner"]]]), ["me"]], [["sleep", 1], ["raise", 1]], [["sleep", 9]]],
    "nested_groups_both_fail_in_one_tick":
        [ [guard(["group", [["gspawn", 0, 1], ["group", [["gspawn", 1, 2], ["sleep", 9]]]]]), ["me"],
         ["sleep", 1]], [["sleep", 1], ["raise", 1]], [["sleep", 1], ["raise", 2]]],
    "nested_groups_error_passes_through_both":
        [ [guard(["group", [["group", [["gspawn", 0, 1], ["gspawn", 1, 1]]]]]), ["me"]], [["sleep", 1],
         ["raise", 1]]],
    "nested_groups_cancelled_from_outside":
        [ [["spawn", 0, 1], ["sleep", 1], ["cancel", 0], guard(["await", 0])], [["group", [["gspawn", 1, 2],
         ["group", [["gspawn", 2, 2]]]]]], [["sleep", 9]]],
    "timeout_inside_a_group":
        [ [guard(["group", [["gspawn", 0, 1], ["timeout", 2, [["sleep", 9]]]]]), ["me"]], [["sleep", 9]]],
    "group_inside_a_timeout":
        [ [guard(["timeout", 2, [["group", [["gspawn", 0, 1]]]]]), ["me"], ["sleep", 1]],
         [["try", [["sleep", 9]], [], [["sleep", 2], ["log", "cleaned"]]]]],
    "group_inside_a_timeout_and_a_child_fails_under_cancel":
        [ [guard(["timeout", 2, [["group", [["gspawn", 0, 1]]]]]), ["me"], ["sleep", 1], ["log", "on"]],
         [["try", [["sleep", 9]], [["cancel", [["raise", 1]]]]]]],
    "child_cancels_its_group_by_cancelling_the_parent":
        [ [["spawn", 0, 1], guard(["await", 0])], [["group", [["gspawn", 1, 2], ["gspawn", 2, 3]]]],
         [["sleep", 1], ["cancel", 0], ["sleep", 1], ["log", "no"]], [["sleep", 9]]],
    "return_leaves_a_group": [[["call", 1]], [["group", [["gspawn", 0, 2], ["ret", 4]]]], sleeper(2, 1)],
    # --- eager tasks ---
    "eager_task_takes_its_first_step_at_once":
        [ [["log", "a"], ["espawn", 0, 1], ["log", "b"], ["await", 0]], [["log", "first"], ["sleep", 0],
         ["log", "second"], ["ret", 3]]],
    "eager_task_that_does_not_suspend_is_done":
        [ [["espawn", 0, 1], ["state", 0], ["cancel", 0], ["result", 0], ["await", 0]], [["me"], ["ret", 3]]],
    "eager_task_that_fails_at_once_keeps_its_error":
        [ [["espawn", 0, 1], ["state", 0], ["result", 0], guard(["await", 0])], [["raise", 3]]],
    "eager_task_that_cancels_itself_and_returns":
        [ [["espawn", 0, 1], ["state", 0], guard(["await", 0])], [["cancel_me"], ["ret", 3]]],
    "eager_task_is_cancelled_after_its_first_step":
        [ [["espawn", 0, 1], ["cancel", 0, "x"], ["state", 0], guard(["await", 0])], [["sleep", 9]]],
    "eager_task_cancels_its_creator":
        [ [["spawn", 0, 1], guard(["await", 0])], [["espawn", 1, 2], swallow(["await", 1]), ["me"]],
         [["sleep", 1], ["cancel", 0], ["sleep", 1]]],
    "eager_tasks_that_are_done_are_gathered_at_once":
        [ [["espawn", 0, 1], ["espawn", 1, 1], ["call_soon", 0, [["log", "later"]]], ["gather", [0, 1], 0],
         ["log", "now"], ["sleep", 0]], [["ret", 2]]],
    "eager_tasks_of_which_one_waits_are_gathered":
        [ [["espawn", 0, 1], ["espawn", 1, 2], ["gather", [0, 1], 0]], [["ret", 2]], [["sleep", 1], ["ret", 3]]],
    "eager_task_of_a_callback":
        [ [["call_soon", 0, [["espawn", 0, 1], ["log", "callback"]]], ["sleep", 0], ["await", 0]],
         [["log", "first"], ["sleep", 0], ["ret", 1]]],
    "eager_task_wakes_its_creators_neighbour":
        [ [["fut", 0], ["spawn", 0, 1], ["sleep", 0], ["espawn", 1, 2], ["log", "main"], ["await", 0]],
         [["fawait", 0], ["ret", 1]], [["set", 0, 4], ["log", "set"], ["sleep", 0], ["log", "second"]]],
    # --- context variables ---
    "task_runs_in_a_copy_of_its_creators_context":
        [ [["setvar", 1], ["spawn", 0, 1], ["setvar", 2], ["await", 0], ["var"]], [["var"], ["setvar", 5],
         ["sleep", 1], ["var"]]],
    "awaited_coroutine_shares_the_context":
        [ [["setvar", 1], ["call", 1], ["var"], ["wait_for_call", 2, 9], ["var"], ["timeout", 9,
         [["setvar", 7]]], ["var"]], [["var"], ["setvar", 5]], [["var"], ["sleep", 1], ["setvar", 6]]],
    "children_of_a_group_run_in_copies":
        [ [["setvar", 1], ["group", [["gspawn", 0, 1], ["setvar", 2], ["gspawn", 1, 1]]], ["var"]],
         [["var"], ["setvar", 5], ["sleep", 1], ["var"]]],
    "eager_task_has_a_context_of_its_own":
        [ [["setvar", 1], ["espawn", 0, 1], ["var"], ["setvar", 2], ["await", 0], ["var"]], [["var"],
         ["setvar", 5], ["sleep", 1], ["var"]]],
    "callback_runs_in_the_context_of_its_registration":
        [ [["call_soon", 0, [["var"]]], ["setvar", 1], ["call_soon", 0, [["var"]]],
         ["call_later", 0, 2, [["var"]]], ["setvar", 2], ["call_at", 0, 3, [["var"]]], ["setvar", 3],
         ["sleep", 5], ["var"]]],
    "what_a_callback_sets_is_seen_by_what_it_starts":
        [ [["call_soon", 0, [["setvar", 4], ["spawn", 0, 1], ["call_soon", 1, [["var"]]]]],
         ["call_soon", 2, [["var"]]], ["sleep", 3], ["var"]], [["var"], ["sleep", 1], ["var"]]],
    "task_that_waits_for_another_keeps_its_context":
        [ [["setvar", 1], ["spawn", 0, 1], ["spawn", 1, 2], ["await", 0], ["await", 1], ["var"]],
         [["setvar", 8], ["sleep", 2], ["var"]], [["setvar", 9], ["await", 0], ["var"]]],
    # --- the end of run ---
    "leftover_tasks_are_cancelled_in_order_of_creation":
        [ [["spawn", 2, 1], ["spawn", 0, 1], ["spawn", 1, 2], ["sleep", 1], ["ret", 1]], [["sleep", 9]],
         [["spawn", 3, 1], ["sleep", 9]]],
    "leftover_task_fails_in_its_cleanup":
        [ [["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 1], ["ret", 1]], [["try", [["sleep", 9]], [],
         [["raise", 5]]]]],
    "leftover_task_swallows_and_goes_on":
        [ [["spawn", 0, 1], ["sleep", 1], ["ret", 1]], [swallow(["sleep", 9]), ["sleep", 5],
         ["log", "done at last"]]],
    "leftover_task_that_never_started":
        [ [["spawn", 0, 1], ["ret", 1]], [["log", "one pass is left"], ["sleep", 1]]],
    "leftover_task_after_main_failed":
        [ [["spawn", 0, 1], ["sleep", 1], ["raise", 1]], [["try", [["sleep", 9]], [], [["sleep", 1],
         ["log", "cleaned"]]]]],
    "leftover_group_is_taken_down":
        [ [["spawn", 0, 1], ["sleep", 1]], [["group", [["gspawn", 1, 2], ["gspawn", 2, 2]]]],
         [["try", [["sleep", 9]], [], [["log", "f"]]]]],
    "leftover_tasks_that_wait_for_each_other":
        [ [["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 2], ["sleep", 1]], [["gather", [1, 2], 0]],
         [["sleep", 9]]],
    "main_is_cancelled_by_a_callback": [[["call_later", 0, 2, [["cancel", -1, "stop"]]], ["sleep", 9]]],
    "main_is_cancelled_by_a_task_and_swallows":
        [ [["spawn", 0, 1], swallow(["sleep", 9]), ["me"], ["ret", 3]], [["sleep", 1], ["cancel", -1]]],
}
