"""Programs about executors, written by hand. None depends on when a thread answers: see virtual_executor.py.

Executor 0 has four workers, executor 1 has one. Time stands still while a call runs, so nobody waits for a time while
one is held.
"""

from handwritten import guard, swallow


def calls(*what):
    """A task's procedure: a call on executor 1 into future slot `F`, awaited."""
    return [[["exec", slot, 1, kind, value], ["fawait", slot]] for slot, kind, value in what]


PROGRAMS = {
    "call_gives_its_result": [[["exec", 0, 0, "ok", 5], ["fstate", 9], ["fawait", 0], ["fstate", 0]]],
    "call_that_fails_gives_its_error": [[["exec", 0, 0, "fail", 5], guard(["fawait", 0]), ["fstate", 0]]],
    "result_is_awaited_twice": [[["exec", 0, 0, "ok", 5], ["fawait", 0], ["fawait", 0]]],
    "error_is_thrown_at_each_await":
        [[["exec", 0, 0, "fail", 5], guard(["fawait", 0]), guard(["fawait", 0])]],
    "call_is_not_done_before_the_loop_has_run":
        [[["exec", 0, 0, "ok", 5], ["fstate", 0], ["fawait", 0]]],
    "one_worker_answers_in_the_order_of_the_calls":
        [[["exec", 0, 1, "ok", 1], ["exec", 1, 1, "ok", 2], ["exec", 2, 1, "ok", 3], ["fcb", 0, "a"],
          ["fcb", 1, "b"], ["fcb", 2, "c"], ["fawait", 2]]],
    "one_worker_answers_in_order_also_after_an_error":
        [[["exec", 0, 1, "fail", 1], ["exec", 1, 1, "ok", 2], ["fcb", 0, "a"], ["fcb", 1, "b"], ["fawait", 1],
          guard(["fawait", 0])]],
    "held_call_holds_up_those_behind_it":
        [[["exec", 0, 1, "hold", 1], ["exec", 1, 1, "ok", 2], ["fcb", 0, "a"], ["fcb", 1, "b"], ["sleep", 0],
          ["sleep", 0], ["fstate", 1], ["gate"], ["fawait", 1], ["fawait", 0]]],
    "held_call_holds_up_no_other_worker":
        [[["exec", 0, 0, "hold", 1], ["exec", 1, 0, "ok", 2], ["fawait", 1], ["fstate", 0], ["gate"], ["fawait", 0]]],
    "tasks_wait_for_calls_of_their_own":
        [[["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["gather", [0, 1, 2], 0]],
         *calls((0, "ok", 1), (1, "ok", 2), (2, "ok", 3))],
    "failure_of_one_call_leaves_the_others":
        [[["spawn", 0, 1], ["spawn", 1, 2], ["spawn", 2, 3], ["wait", [0, 1, 2], None, "all"], ["result", 0],
          ["result", 1], ["result", 2]], *calls((0, "ok", 1), (1, "fail", 2), (2, "ok", 3))],
    "two_tasks_wait_for_one_call":
        [[["exec", 0, 0, "ok", 5], ["spawn", 0, 1], ["spawn", 1, 1], ["wait", [0, 1], None, "all"]], [["fawait", 0]]],
    "call_that_waits_for_a_worker_is_cancelled":
        [[["exec", 0, 1, "hold", 1], ["exec", 1, 1, "ok", 2], ["fcancel", 1], ["fstate", 1], guard(["fawait", 1]),
          ["gate"], ["fawait", 0]]],
    "call_that_runs_is_cancelled_for_the_loop_alone":
        [[["exec", 0, 0, "hold", 1], ["fcancel", 0], ["fstate", 0], guard(["fawait", 0]), ["fcancel", 0], ["gate"],
          ["sleep", 0]]],
    "call_whose_future_is_cancelled_makes_room_for_the_next":
        [[["exec", 0, 1, "hold", 1], ["exec", 1, 1, "ok", 2], ["exec", 2, 1, "ok", 3], ["fcancel", 1], ["gate"],
          ["fawait", 2], ["fstate", 1], ["fawait", 0]]],
    "task_that_waits_for_a_call_is_cancelled":
        [[["spawn", 0, 1], ["sleep", 0], ["cancel", 0], guard(["await", 0]), ["state", 0], ["fstate", 0], ["gate"]],
         [["exec", 0, 0, "hold", 1], ["fawait", 0]]],
    "task_that_waits_for_a_call_swallows_its_cancel":
        [[["spawn", 0, 1], ["sleep", 0], ["cancel", 0], ["await", 0], ["gate"]],
         [["exec", 0, 0, "hold", 1], swallow(["fawait", 0]), ["me"], ["fstate", 0]]],
    "one_of_two_that_wait_for_a_call_is_cancelled":
        [[["exec", 0, 0, "hold", 5], ["spawn", 0, 1], ["spawn", 1, 1], ["sleep", 0], ["cancel", 0],
          guard(["await", 0]), guard(["await", 1]), ["state", 1], ["gate"]], [["fawait", 0]]],
    "call_is_made_by_a_callback":
        [[["call_soon", 0, [["exec", 0, 0, "ok", 5]]], ["sleep", 0], ["fawait", 0]]],
    "call_is_made_in_a_group":
        [[guard(["group", [["gspawn", 0, 1], ["gspawn", 1, 2]]])],
         [["exec", 0, 0, "hold", 1], ["fawait", 0]], [["sleep", 0], ["gate"], ["raise", 4]]],
    "executor_that_was_shut_down_takes_no_calls":
        [[["eshut", 1, 0], ["exec", 0, 1, "ok", 1], ["fstate", 0], ["exec", 0, 0, "ok", 2], ["fawait", 0]]],
    "shutdown_lets_what_was_called_run":
        [[["exec", 0, 1, "hold", 1], ["exec", 1, 1, "ok", 2], ["eshut", 1, 0], ["gate"], ["fawait", 1],
          ["fawait", 0], ["exec", 2, 1, "ok", 3]]],
    "shutdown_cancels_what_has_not_begun":
        [[["exec", 0, 1, "hold", 1], ["exec", 1, 1, "ok", 2], ["eshut", 1, 1], guard(["fawait", 1]), ["fstate", 1],
          ["gate"], ["fawait", 0]]],
    "task_sleeps_while_nothing_is_held":
        [[["exec", 0, 0, "ok", 1], ["fawait", 0], ["sleep", 2], ["exec", 0, 0, "ok", 2],
          ["timeout", 3, [["fawait", 0]]], ["sleep", 1]]],
    "generator_calls_an_executor":
        [[["gen", 0, 1], ["gfor", 0, []]],
         [["exec", 0, 0, "ok", 1], ["fawait", 0], ["yield", 1], ["exec", 0, 0, "fail", 2],
          ["gtry", [["fawait", 0]], [["value", [["yield", 2]]]], []]]],
    "main_ends_while_a_task_waits_for_a_call":
        [[["spawn", 0, 1], ["sleep", 0], ["ret", 3]], [["exec", 0, 0, "hold", 1], ["try", [["fawait", 0]], [],
         [["gate"], ["log", "f"]]]]],
}
