"""Every line of the table "what came back": the row's status, the job's end, and the calls that the sandbox saw."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from bulkremove.domain.attempt import Permit
from bulkremove.domain.errors import LocalFileFailed, NeverSent
from bulkremove.domain.job import JobState
from bulkremove.domain.ledger import Quota
from bulkremove.domain.row import Removal, Status
from bulkremove.engine.rows import SHUTDOWN_GRACE_SECONDS
from bulkremove.sandbox import Fault, Latency, LockResponse, Threshold, replies
from bulkremove.zoho.client import Admission, Exchange, ZohoClient
from bulkremove.zoho.oauth import AccessTokens
from tests.run_scenario import Stage, faults, learner

R = TypeVar("R")


def test_a_learner_in_the_batch_is_removed(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3).play()
    assert [Status.REMOVED] * 3 == played.statuses
    assert JobState.FINISHED == played.job.state
    assert 3 == len(played.sandbox.removed)
    assert 0 == played.exit_code


def test_a_learner_who_is_not_there_is_not_found(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, enrolled=2).play()
    assert [Status.REMOVED, Status.REMOVED, Status.NOT_FOUND] == played.statuses
    assert 0 == played.exit_code


def test_code_200_as_a_number_is_a_success_too(tmp_path: Path) -> None:
    assert [Status.REMOVED] == Stage(tmp_path, faults=faults({0: ["number_code"]})).play().statuses


def test_another_learner_in_the_answer_is_counted_for_the_warning(tmp_path: Path) -> None:
    played = Stage(tmp_path, faults=faults({0: ["other_learner"]})).play()
    assert [Status.REMOVED] == played.statuses
    assert 1 == played.job.mismatched


LOST_AFTER = ["reset_after_effect", "truncated_after_effect", "silence_after_effect", "500_after_effect"]
LOST_AFTER += ["502_after_effect", "503_after_effect", "504_after_effect", "empty_200_after_effect"]
LOST_AFTER += ["202_after_effect", "204_after_effect", "contradictory_after_effect", "unknown_json_after_effect"]
LOST_AFTER += ["endless_after_effect", "html_502_after_effect", "from_cache_after_effect"]


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_an_unanswered_removal_that_had_its_effect_is_inferred_from_the_404(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: [fault, "ok"]})).play()
    assert [Status.REMOVED_INFERRED, Status.REMOVED] == played.statuses
    assert [2, 1] == [outcome.attempts for outcome in played.outcomes]


@pytest.mark.parametrize("fault", [fault.replace("_after_effect", "") for fault in LOST_AFTER])
def test_an_unanswered_removal_without_effect_is_sent_again(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: [fault, "ok"]})).play()
    assert [Status.REMOVED, Status.REMOVED] == played.statuses


def test_three_attempts_without_an_answer_are_unknown(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["reset"]})).play()
    assert [Status.UNKNOWN, Status.REMOVED] == played.statuses
    assert 3 == played.calls.count(learner(0))
    assert 3 == played.exit_code


@pytest.mark.parametrize("then", ["403", "400"])
def test_a_refusal_after_an_unanswered_attempt_is_unknown_never_refused(tmp_path: Path, then: str) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["reset_after_effect", then]})).play()
    assert Status.UNKNOWN == played.statuses[0]


@pytest.mark.parametrize("fault", ["400", "403", "forbidden_in_200"])
def test_a_refusal_is_final_for_its_row(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({1: [fault]}), concurrency=1).play()
    assert [Status.REMOVED, Status.REFUSED, Status.REMOVED] == played.statuses
    assert 1 == played.calls.count(learner(1))
    assert 3 == played.exit_code


def test_three_malformed_rows_at_the_start_pause_the_job(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=6, faults=faults({i: ["400"] for i in range(6)}), concurrency=1)
    played = stage.play()
    assert [Status.REFUSED] * 3 + [Status.NOT_SENT] * 3 == played.statuses
    assert (JobState.PAUSED, 5) == (played.job.state, played.exit_code)


def test_a_completed_course_is_refused_in_its_own_words_and_stops_nothing(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=6, faults=faults({i: ["completed"] for i in range(5)}), concurrency=1).play()
    assert [Status.REFUSED] * 5 + [Status.REMOVED] == played.statuses
    assert played.outcomes[0].detail.startswith("The course or batch is completed")
    assert JobState.FINISHED == played.job.state


@pytest.mark.parametrize("fault", ["failure_in_200", "failed_learners", "null", "from_cache"])
def test_a_success_that_is_not_proven_is_unknown_and_the_second_pauses(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=4, faults=faults({i: [fault] for i in range(4)}), concurrency=1).play()
    assert [Status.UNKNOWN, *[Status.NOT_SENT] * 3] == played.statuses
    assert (JobState.PAUSED, 2) == (played.job.state, len(played.calls))


def test_a_page_that_tells_of_a_limit_twice_is_somebody_elses(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=4, faults=faults({0: ["blocked_page"]}), concurrency=1).play()
    assert [Status.NOT_SENT] * 4 == played.statuses
    assert "Something between" in played.job.reason
    assert (JobState.PAUSED, 2) == (played.job.state, len(played.calls))


def test_the_rules_about_the_first_rows_know_the_runs_before(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=60, enrolled=34, concurrency=1, stop_after=1.0)
    assert JobState.PAUSED == stage.play().job.state
    stage.stop_after = None
    played = stage.play()
    assert [Status.REMOVED] * 34 + [Status.NOT_FOUND] * 26 == played.statuses
    assert JobState.FINISHED == played.job.state


def test_ten_first_rows_not_found_over_two_runs_pause_the_job(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=30, enrolled=0, concurrency=1, faults=faults({5: ["scope_missing", "ok"]}))
    assert 5 == stage.play().statuses.count(Status.NOT_FOUND)
    second = stage.play()
    assert (10, JobState.PAUSED) == (second.statuses.count(Status.NOT_FOUND), second.job.state)


def test_learners_whose_removal_was_inferred_are_not_missing_in_a_later_run_either(tmp_path: Path) -> None:
    lost = faults({i: ["reset_after_effect", "ok"] for i in range(12)} | {12: ["scope_missing", "ok"]})
    stage = Stage(tmp_path, rows=14, enrolled=12, faults=lost, concurrency=1)
    assert 12 == stage.play().statuses.count(Status.REMOVED_INFERRED)
    played = stage.play()
    assert (JobState.FINISHED, 2) == (played.job.state, played.statuses.count(Status.NOT_FOUND)), played.job.reason


def test_the_row_that_ended_a_run_is_named(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({1: ["html_200"]}), concurrency=1).play()
    assert f"This was row {played.outcomes[1].number};" in played.job.reason
    assert learner(1) not in played.job.reason, "a notice and the other rows of the report tell the reason too"


def test_an_answer_that_quotes_the_learner_is_told_without_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(replies.CANNED, "html_200", replies.page(200, f"No learner {learner(1)} here"))
    played = Stage(tmp_path, rows=3, faults=faults({1: ["html_200"]}), concurrency=1).play()
    assert 'HTTP 200: "200 No learner … here"' in played.job.reason
    assert learner(1) not in "".join(played.events)


@pytest.mark.parametrize("odd", ["\ud800", "a\nb", "\u202e5", "\x00"])
def test_odd_characters_in_an_answer_end_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    refusal = json.dumps({"code": odd, "message": odd}).encode()
    success = json.dumps({"code": "200", "learnerId": odd, "message": "success"}).encode()
    monkeypatch.setitem(replies.CANNED, "403", replies.CannedResponse(403, refusal))
    monkeypatch.setitem(replies.CANNED, "other_wording", replies.CannedResponse(200, success))
    played = Stage(tmp_path, rows=3, faults=faults({0: ["403"], 1: ["other_wording"]}), concurrency=1).play()
    assert [Status.REFUSED, Status.REMOVED, Status.REMOVED] == played.statuses
    assert JobState.FINISHED == played.job.state


def test_a_token_that_is_evicted_again_and_again_is_no_fault_of_the_row(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=12, faults=faults({0: ["expired_token", "expired_token", "ok"]}), concurrency=1)
    played = stage.play()
    assert [Status.REMOVED] * 12 == played.statuses
    assert JobState.FINISHED == played.job.state


def test_three_forbidden_rows_stop_the_job(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=6, faults=faults({i: ["403"] for i in range(1, 6)}), concurrency=1)
    played = stage.play()
    assert [Status.REMOVED, *[Status.REFUSED] * 3, *[Status.NOT_SENT] * 2] == played.statuses
    assert (JobState.STOPPED, 7) == (played.job.state, played.exit_code)


def test_ten_rows_not_found_at_the_start_pause_the_job(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=12, enrolled=0, concurrency=1).play()
    assert 10 == played.statuses.count(Status.NOT_FOUND)
    assert JobState.PAUSED == played.job.state


def test_expected_missing_rows_do_not_pause_the_job(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=12, enrolled=0, expect_missing=True).play()
    assert [Status.NOT_FOUND] * 12 == played.statuses
    assert JobState.FINISHED == played.job.state


@pytest.mark.parametrize("fault", ["html_200", "html_403", "html_404", "gateway_404"])
def test_an_answer_that_is_not_zohos_pauses_at_the_first_and_is_not_repeated(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({0: [fault]}), concurrency=1).play()
    assert [Status.UNKNOWN, Status.NOT_SENT, Status.NOT_SENT] == played.statuses
    assert JobState.PAUSED == played.job.state
    assert 1 == len(played.calls)


def test_two_muddled_answers_in_a_row_pause_the_job(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({0: ["empty_200", "204"]}), concurrency=1).play()
    assert JobState.PAUSED == played.job.state
    assert 2 == len(played.calls)


@pytest.mark.parametrize("fault", ["301", "302", "307", "308"])
def test_a_redirect_is_never_followed_and_stops_the_job(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: [fault]}), concurrency=1).play()
    assert [Status.NOT_SENT, Status.NOT_SENT] == played.statuses
    assert JobState.STOPPED == played.job.state
    assert 1 == len(played.calls)
    assert (1, int(fault)) == (played.outcomes[0].attempts, played.outcomes[0].http_status)
    assert "This was row 2; look the learner up" in played.outcomes[0].detail, "what was sent can be looked up"


def test_a_gateway_s_404_after_an_unanswered_attempt_proves_no_removal(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["500", "gateway_404"]}), concurrency=1).play()
    assert [Status.UNKNOWN, Status.NOT_SENT] == played.statuses
    assert JobState.PAUSED == played.job.state


def test_303_leaves_the_row_open(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["303"]}), concurrency=1).play()
    assert [Status.UNKNOWN, Status.NOT_SENT] == played.statuses
    assert JobState.STOPPED == played.job.state


@pytest.mark.parametrize("fault", ["401", "expired_token", "blank_credential"])
def test_a_refused_token_is_renewed_once_for_all(tmp_path: Path, fault: str) -> None:
    played = Stage(tmp_path, rows=4, faults=faults({0: [fault, "ok"]})).play()
    assert [Status.REMOVED] * 4 == played.statuses
    assert 1 == played.renewals


def test_a_page_instead_of_a_refused_token_proves_nothing_of_its_attempt(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({1: ["html_401_after_effect", "ok"]}), concurrency=1).play()
    assert [Status.REMOVED, Status.REMOVED_INFERRED, Status.REMOVED] == played.statuses
    assert 1 == played.renewals


def test_a_page_for_the_new_token_too_pauses_the_job_and_leaves_its_row_unknown(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({i: ["html_401"] for i in range(3)}), concurrency=1).play()
    assert Status.UNKNOWN == played.statuses[0]
    assert (JobState.PAUSED, 7) == (played.job.state, played.exit_code)


def test_a_failure_of_the_server_in_a_refusal_refuses_nothing(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["internal_error_400_after_effect", "ok"]})).play()
    assert [Status.REMOVED_INFERRED, Status.REMOVED] == played.statuses


def test_a_new_token_refused_too_pauses_the_job_when_no_other_row_can_tell(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=1, faults=faults({0: ["401"]})).play()
    assert [Status.NOT_SENT] == played.statuses
    assert (JobState.PAUSED, 7) == (played.job.state, played.exit_code)
    assert 2 == len(played.calls)


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_401_for_one_row_while_others_pass_is_refused(tmp_path: Path, concurrency: int) -> None:
    played = Stage(tmp_path, rows=40, faults=faults({1: ["401"]}), concurrency=concurrency).play()
    assert [Status.REMOVED, Status.REFUSED, *[Status.REMOVED] * 38] == played.statuses
    assert 2 == played.calls.count(learner(1))
    assert (JobState.FINISHED, 3) == (played.job.state, played.exit_code)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_two_rows_refused_with_a_new_token_are_a_broken_authorisation(tmp_path: Path, concurrency: int) -> None:
    played = Stage(tmp_path, rows=9, faults=faults({i: ["401"] for i in range(9)}), concurrency=concurrency).play()
    assert [Status.NOT_SENT] * 9 == played.statuses
    assert (JobState.PAUSED, 7) == (played.job.state, played.exit_code)
    assert len(played.calls) <= 4 + 2 * concurrency


def test_a_row_in_doubt_and_a_suspect_do_not_wait_for_each_other(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["401"], 1: ["422"]}), concurrency=1).play()
    assert [Status.NOT_SENT] * 2 == played.statuses
    assert JobState.PAUSED == played.job.state


def test_a_gateway_s_504_may_still_be_delivered_so_its_slot_is_held_longer(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: ["504", "ok"]}), quota=Quota(calls=1), concurrency=1).play()
    first, second = (entry.time for entry in played.sandbox.requests[:3] if entry.removal)
    assert second - first >= 60.0 + 60.0 + 1.1


def test_a_token_s_file_that_fails_after_the_slot_was_taken_leaves_no_open_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    token = AccessTokens.token

    async def failing(tokens: AccessTokens) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise LocalFileFailed("The token's file can't be written: No space left on device.")
        return await token(tokens)

    monkeypatch.setattr(AccessTokens, "token", failing)
    stage = Stage(tmp_path, rows=1, enrolled=0, concurrency=1)
    first = stage.play()
    assert JobState.PAUSED == first.job.state
    assert "No space left" in first.job.reason
    assert [] == first.calls
    assert [Status.NOT_FOUND] == stage.play().statuses


def test_rows_whose_new_token_is_delayed_wait_for_it_and_are_not_refused(tmp_path: Path) -> None:
    # The endpoint gives one token, then says that there were too many requests.
    stage = Stage(tmp_path, rows=6, faults=faults({i: ["401", "ok"] for i in (0, 1, 2)}), concurrency=3)
    token = (Fault("ok"), Fault("throttled"), Fault("ok"))
    stage.faults = replace(stage.faults, token=token, latency=Latency(7.0))  # longer than three rows take to be sent
    played = stage.play()
    assert [Status.REMOVED] * 6 == played.statuses
    assert "no_token" in played.events
    assert 2 == played.renewals


def test_a_job_that_could_not_connect_goes_on_when_the_network_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unconnected(
        client: ZohoClient, removal: Removal, admit: Callable[[], Awaitable[Admission[Permit] | R]]
    ) -> Exchange[Permit] | R:
        admission = await admit()
        if not isinstance(admission, Admission):
            return admission
        return Exchange(admission, failure=NeverSent("No connection can be made."))

    stage = Stage(tmp_path, rows=2, concurrency=1)
    with monkeypatch.context() as patch:
        patch.setattr(ZohoClient, "send_row", unconnected)
        first = stage.play()
    assert (JobState.PAUSED, [Status.NOT_SENT] * 2) == (first.job.state, first.statuses)
    assert [Status.REMOVED] * 2 == stage.play().statuses


def test_401_after_an_unanswered_attempt_is_unknown_never_refused(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=4, faults=faults({1: ["reset_after_effect", "401"]}), concurrency=1).play()
    assert [Status.REMOVED, Status.UNKNOWN, Status.REMOVED, Status.REMOVED] == played.statuses


@pytest.mark.parametrize(
    ("fault", "state"), [("scope_missing", JobState.PAUSED), ("wrong_data_centre", JobState.STOPPED)]
)
def test_a_missing_scope_or_a_wrong_data_centre_ends_the_job_at_once(
    tmp_path: Path, fault: str, state: JobState
) -> None:
    played = Stage(tmp_path, rows=2, faults=faults({0: [fault]}), concurrency=1).play()
    assert [Status.NOT_SENT, Status.NOT_SENT] == played.statuses
    assert (state, 7) == (played.job.state, played.exit_code)
    assert 1 == len(played.calls)
    assert 0 == played.renewals


@pytest.mark.parametrize("told", list(LockResponse))
def test_a_lock_is_waited_out_with_one_probe_however_it_is_told(tmp_path: Path, told: LockResponse) -> None:
    busy = Threshold(calls=5)
    played = Stage(tmp_path, rows=12, told=told, threshold=busy, concurrency=2).play()
    assert [Status.REMOVED] * 12 == played.statuses
    assert JobState.FINISHED == played.job.state
    first = next(entry.time for entry in played.sandbox.requests if entry.locked)
    in_lock = [entry for entry in played.sandbox.requests if first + 5 < entry.time < first + 300]
    assert [] == in_lock
    assert played.job.lockouts >= 1


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_422_for_this_row_alone_is_refused_once_another_row_passes(tmp_path: Path, concurrency: int) -> None:
    played = Stage(tmp_path, rows=12, faults=faults({1: ["422"]}), concurrency=concurrency).play()
    assert [Status.REMOVED, Status.REFUSED, *[Status.REMOVED] * 10] == played.statuses
    assert 2 == played.calls.count(learner(1))


def test_a_lock_that_never_ends_pauses_after_three_waits(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=3, faults=faults({i: ["422"] for i in range(3)})).play()
    assert [Status.NOT_SENT] * 3 == played.statuses
    assert JobState.PAUSED == played.job.state
    assert "lock" in played.job.reason


def test_the_only_row_left_is_probed_alone(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=1, faults=faults({0: ["422"]})).play()
    assert [Status.NOT_SENT] == played.statuses
    assert JobState.PAUSED == played.job.state
    assert 4 == len(played.calls)


def test_a_limit_told_by_a_502_page_waits_and_keeps_the_attempt_open(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=2, faults=faults({0: ["limit_text_502_after_effect", "ok"]}), concurrency=1)
    played = stage.play()
    assert [Status.REMOVED_INFERRED, Status.REMOVED] == played.statuses
    assert 1 == played.job.lockouts


def test_five_server_errors_of_ten_make_the_job_wait(tmp_path: Path) -> None:
    broken = {i: ["500", "ok"] for i in range(5)}
    played = Stage(tmp_path, rows=8, faults=faults(broken), concurrency=1).play()
    assert [Status.REMOVED] * 8 == played.statuses
    assert "failing" in played.events


def test_a_page_that_forbids_is_no_way_through_a_lock(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rows=4, faults=faults({0: ["429", "html_403"]}), concurrency=1)
    played = stage.play()
    assert [Status.UNKNOWN, *[Status.NOT_SENT] * 3] == played.statuses
    assert JobState.PAUSED == played.job.state
    assert 2 == len(played.calls)


def test_a_run_in_which_no_call_is_answered_any_more_waits_and_then_pauses(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=40, faults=faults({i: ["reset"] for i in range(40)}), concurrency=1).play()
    assert JobState.PAUSED == played.job.state
    assert "failing" in played.events
    assert Status.NOT_SENT in played.statuses
    assert len(played.calls) < 12, "5 at first, and one after each wait"


def test_retry_after_of_a_503_is_waited_for(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=1, faults=faults({0: ["503:120", "ok"]})).play()
    assert [Status.REMOVED] == played.statuses
    first, second = (entry.time for entry in played.sandbox.requests if entry.removal)
    assert second - first >= 120


@pytest.mark.parametrize(
    ("fault", "asked", "within"), [("503:120", 30.0, 2.0), ("silence", 5.0, SHUTDOWN_GRACE_SECONDS + 1.0)]
)
def test_a_stop_ends_a_wait_soon_and_the_row_goes_on_later(
    fault: str, asked: float, within: float, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, rows=1, faults=faults({0: [fault, "ok"]}), stop_after=asked)
    stopped = stage.play()
    assert (JobState.PAUSED, 130) == (stopped.job.state, stopped.exit_code)
    assert asked <= stopped.job.seconds < asked + within
    stage.stop_after, stage.between = None, 300.0
    assert [Status.REMOVED] == stage.play().statuses


def test_an_unanswered_row_is_unknown_once_15_minutes_have_passed(tmp_path: Path) -> None:
    played = Stage(tmp_path, rows=1, faults=faults({0: ["503_after_effect:1200", "ok"]})).play()
    assert [Status.UNKNOWN] == played.statuses
    assert 1 == len(played.calls)
