"""The emulator's filter patterns: the kind that the module uses, read as AWS documents it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html
"""

import pytest

from sandbox.emulator_main import pattern_matches


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("%AUTHORIZED%", "[ERROR 401] authorized", False),
        ("%^[hc]at%", "a hat", False),
        ("%[hc]at$%", "a hat", True),
        ("%[hc]at$%", "a hat\n", False),
        ("%colou?r%", "color", True),
        ("%^a{3,5}$%", "aa", False),
        ("%^a{3,5}$%", "aaaa", True),
        ("%^starting|^initializing%", "skipping initializing", False),
        (r"%\[.\]%", "[7]", True),
        (r"%10\.10\.0\.1%", "10010,051", False),
        ("%ab[0-9]*c%", "ab12c", True),
        (r"%^\d+\D$%", "12x", True),
        (r"%a\sb%", "a\tb", True),
        (r"%a\sb%", "a\rb", False),
        (r"%a\Sb%", "a\rb", True),
        (r"%\W%", "_", False),
        (r"%\W%", "é", True),
        (r"%\x3A\x28%", "x:(", True),
        ("%a.b%", "a\nb", True),
        ("%a[$]b%", "a$b", True),
    ],
)
def test_a_regular_expression_is_looked_for_in_the_message(pattern: str, message: str, matches: bool) -> None:
    assert pattern_matches(pattern, message) == matches


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR", "?ERROR ?WARN", "-ERROR", "{ $.status = 2* }", '"a b"', "%", "%%", "%open", "open%", "%something!%",
        "%(a|b)%", '%"status"%', "%é%", "%a b%", r"%\q%", r"%\x3a%", r"%\%", "%a%b%", "%[a%", "%*%", f"%{'a' * 1023}%",
    ],
)  # fmt: skip
def test_another_kind_of_pattern_is_refused_and_not_guessed_at(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        pattern_matches(pattern, "x")
