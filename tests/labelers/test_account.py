"""The budget by hand, without a model."""

from __future__ import annotations

import threading

import pytest

from semtta.labelers.client import Account, OverBudget


def test_until_the_first_answer_one_and_a_half_times_the_estimate_is_set_aside():
    account = Account(budget=1.0)
    assert account.reserve(0.5) == pytest.approx(0.75)
    account.settle(0.5, 0.75, cost=0.4)
    assert account.reserve(0.5) == pytest.approx(0.5)  # cheaper than the estimate: the estimate is kept
    account.settle(0.5, 0.5, cost=0.5)
    with pytest.raises(OverBudget, match=r"\$1"):
        account.reserve(0.2)


def test_an_answer_dearer_than_its_estimate_raises_the_next_reserve():
    account = Account(budget=10.0)
    account.settle(1.0, account.reserve(1.0), cost=2.0)
    assert account.reserve(1.0) == pytest.approx(2.2)  # 1.1 times what it turned out to be


def test_requests_wait_for_what_is_under_way():
    account = Account(budget=1.0)
    account.settle(0.1, account.reserve(0.1), cost=0.1)
    first = account.reserve(0.5)
    waiting = threading.Thread(target=account.reserve, args=(0.4,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()  # 0.1 spent + 0.55 under way + 0.44 is too much ...
    account.settle(0.5, first, cost=0.2)
    waiting.join(10)
    assert not waiting.is_alive()  # ... 0.1 + 0.2 + 0.44 is not


def test_what_costs_nothing_never_waits():
    account = Account(budget=0.0)
    assert [account.reserve(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert Account().reserve(100.0) == 0.0
