"""The emulator's filter patterns: the kind that the module uses, read as AWS documents it."""

import pytest

from sandbox.emulator_main import pattern_matches


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("?ERROR ?WARN", "WARN message", True),
        ("?ERROR ?WARN", "warn message", False),
        (r'?"\"status\":\"2" ?"\"status\":\"404"', '{"status":"204"}', True),
        (r'?"\"status\":\"2" ?"\"status\":\"404"', '{"status":"404"}', True),
        (r'?"\"status\":\"2" ?"\"status\":\"404"', '{"status":"403"}', False),
        (r'?"\"status\":\"2"', '{"status": "204"}', False),
    ],
)
def test_one_of_the_terms_must_be_in_the_message(pattern: str, message: str, matches: bool) -> None:
    assert pattern_matches(pattern, message) == matches


@pytest.mark.parametrize(
    "pattern", ["ERROR", "-ERROR", "{ $.status = 2* }", "%x%", '?"open', "?a b", "?a" + " ?a" * 400]
)
def test_another_kind_of_pattern_is_refused_and_not_guessed_at(pattern: str) -> None:
    with pytest.raises(ValueError, match="question mark"):
        pattern_matches(pattern, "x")
