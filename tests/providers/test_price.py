"""What an answer costs, which row counts, and price lists of others."""

import json
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from labelwright.core.exchange import Usage
from labelwright.core.price import Price, price_of
from labelwright.providers import cost_usd
from labelwright.providers.chat import _usage
from labelwright.providers.price import add_usage
from labelwright.providers.price_list import read_prices

TODAY = date(2026, 11, 25)


def price(model: str = "*", input_: float = 1.0, output: float = 2.0, **more: object) -> Price:
    return Price.model_validate(
        {"model": model, "input_usd_per_mtok": input_, "output_usd_per_mtok": output, **more}
    )


def test_cost_is_exact_to_the_fraction_of_a_cent() -> None:
    used = Usage(prompt_tokens=1_234, completion_tokens=5)
    assert cost_usd(used, price("*", 0.1, 0.3)) == Decimal("0.0001249")


def test_cost_is_unknown_without_a_price_or_a_count() -> None:
    assert cost_usd(Usage(prompt_tokens=1, completion_tokens=1), None) is None
    assert cost_usd(Usage(prompt_tokens=1), price()) is None


def test_a_price_of_zero_is_a_price() -> None:
    assert cost_usd(Usage(prompt_tokens=1, completion_tokens=1), price("*", 0.0, 0.0)) == 0


def test_cached_tokens_have_their_own_price_and_a_batch_its_share() -> None:
    used = Usage(prompt_tokens=1_000, cached_tokens=400, completion_tokens=10)
    assert cost_usd(used, price()) == Decimal("0.00102")
    with_rebate = price(cached_input_usd_per_mtok=0.1, batch_multiplier=0.5)
    assert cost_usd(used, with_rebate) == Decimal("0.00066")
    assert cost_usd(used, with_rebate, batch=True) == Decimal("0.00033")


def test_reasoning_is_part_of_the_answer_also_where_a_server_counts_it_apart() -> None:
    within = {"prompt_tokens": 5, "completion_tokens": 30, "total_tokens": 35}
    apart = {"prompt_tokens": 5, "completion_tokens": 10, "total_tokens": 35}
    details = {"completion_tokens_details": {"reasoning_tokens": 20}}
    for said in (within, apart):
        read = _usage(said | details)
        assert (read.completion_tokens, read.reasoning_tokens) == (30, 20)


def test_a_sum_knows_what_any_attempt_said() -> None:
    total = add_usage([Usage(), Usage(prompt_tokens=3), Usage(prompt_tokens=4, completion_tokens=1)])
    assert (total.prompt_tokens, total.completion_tokens, total.cached_tokens) == (7, 1, None)


def test_the_most_exact_and_then_the_newest_valid_row_counts() -> None:
    rows = [
        price("*", 9), price("gpt-4o*", 8), price("gpt-4o-mini", 7),
        price("GPT-4o-mini", 6, valid_from=date(2026, 1, 1)), price("gpt-4o-mini", 5, valid_from=date(2027, 1, 1)),
    ]  # fmt: skip
    found = {name: price_of(rows, name, TODAY) for name in ("llama", "gpt-4o-2026", "gpt-4o-mini")}
    assert {name: row and row.input_usd_per_mtok for name, row in found.items()} == {
        "llama": 9, "gpt-4o-2026": 8, "gpt-4o-mini": 6,
    }  # fmt: skip
    assert price_of(rows[1:], "llama", TODAY) is None
    assert (
        price_of([price("m[1]")], "m[1]", TODAY) is not None
        and price_of([price("m[1]")], "m1", TODAY) is None
    )


@given(st.permutations([price("*"), price("a*"), price("a"), price("a", valid_from=date(2020, 1, 1))]))
def test_the_order_of_the_table_does_not_matter(rows: list[Price]) -> None:
    assert price_of(rows, "a", TODAY) == price("a", valid_from=date(2020, 1, 1))


LITELLM = {
    "sample_spec": {"input_cost_per_token": "a number"},
    "gpt-4o": {"mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
               "cache_read_input_token_cost": 1.25e-06, "input_cost_per_token_batches": 1.25e-06},
    "azure/other": {"mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
    "free": {"mode": "chat", "input_cost_per_token": 1e-06},
    "ada": {"mode": "embedding", "input_cost_per_token": 1e-07, "output_cost_per_token": 0.0},
    "bad": {"mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 1e-06},
    "odd": 5,
}  # fmt: skip


def test_the_list_of_litellm_is_read_with_every_unusable_row_named() -> None:
    rows, problems = read_prices(json.dumps(LITELLM), lambda name: True)
    by_name = {row.model: row for row in rows}
    assert by_name["gpt-4o"] == price(
        "gpt-4o", 2.5, 10.0, cached_input_usd_per_mtok=1.25, batch_multiplier=0.5
    )
    assert set(by_name) == {"gpt-4o", "other"} and {problem.where for problem in problems} == {"free", "bad"}
    only, _ = read_prices(json.dumps(LITELLM), lambda name: name == "azure/other")
    assert [row.model for row in only] == ["azure/other"]


def test_a_csv_is_read_by_its_columns() -> None:
    head = "\ufeffmodel,input,cached_input,output,batch_multiplier,valid_from,note\n"
    text = head + "a,1,,2,0.5,2026-02-01,x\nb,oops,,2,,,\n,1,,1,,,\n"
    rows, problems = read_prices(text, lambda name: True)
    assert rows == [price("a", 1, 2, batch_multiplier=0.5, valid_from=date(2026, 2, 1))]
    assert [(problem.where, problem.code) for problem in problems] == [("row 3", "bad_price")]


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: "{" + raw.decode("latin-1")))
def test_any_text_is_a_list_or_a_problem(text: str) -> None:
    rows, problems = read_prices(text, lambda name: True)
    assert rows or problems or "model" in text or text.lstrip().startswith("{")
