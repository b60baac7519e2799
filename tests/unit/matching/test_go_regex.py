"""Go's regular expressions: what they accept, match and replace. The vectors come from Go itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.go_regex import LONGEST, Matcher, Pattern, Replacement, compile_pattern


@pytest.mark.parametrize(
    ("expression", "matching", "others"),
    [
        ("abc", ["abc"], ["abcd", "xabc", "abc\n", ""]),
        ("^abc$", ["abc"], ["abcd", "xabc"]),
        ("a|b", ["a", "b"], ["abc", "xb", "ab"]),
        ("^a|b$", ["a", "b"], ["abc", "xb"]),
        ("a|ab|abc", ["a", "ab", "abc"], ["abcd"]),
        ("", [""], ["a"]),
        (".*", ["", "abc"], ["a\nb"]),
        # A price of 5$ is literal: the end is anchored nevertheless.
        (r"5\$", ["5$"], ["5$6", "15$"]),
        (r"\Qa.b", ["a.b"], ["axb", "a.b)", "a.bc"]),
        (r"\Qa.b\Ec", ["a.bc"], ["axbc"]),
        (r"a(?i)B", ["ab", "aB"], ["AB"]),
        ("[[:digit:]]+", ["12"], ["1a", ":"]),
        (r"\d+", ["12"], ["١"]),
        (r"\pL+", ["aé"], ["1"]),
        (r"a{,2}", ["a{,2}"], ["aa"]),
        (r"(?<n>a)(?P<m>b)", ["ab"], ["a"]),
        (r"a\z", ["a"], ["a\n"]),
        # Operators at the start are about the ^ that dregsy puts there.
        ("*", ["", "abc", "a\nb"], []),
        ("^*", ["", "abc"], []),
        ("*?", ["", "abc"], []),
        ("*-slim", ["1.0-slim", "-slim"], ["1.0-slim2"]),
        ("?a", ["a", "xa"], ["ab"]),
        ("+a|b", ["a", "b"], ["xa", "ab"]),
    ],
)
def test_whole_texts_match(expression: str, matching: list[str], others: list[str]) -> None:
    pattern = compile_pattern(expression)
    assert [text for text in matching + others if pattern.matches(text)] == matching


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        ")",
        "a)(b",
        "[",
        "[z-a]",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        r"(a)\1",
        "a**",
        "**",
        "a*+",
        "a{1001}",
        r"\Z",
        "(?#x)",
    ]
    + ["(?>a)", "\\", "{2}a", r"a\E", "\ud800"],
)
def test_what_go_rejects_is_rejected(expression: str) -> None:
    with pytest.raises(ValueError, match="is not a valid regular expression") as caught:
        compile_pattern(expression)
    assert caught.value.__cause__ is None


def test_an_expression_is_told_as_written() -> None:
    with pytest.raises(ValueError, match=r"^'\(a' is not a valid regular expression \(Go syntax\): missing \)"):
        compile_pattern("(a")


def test_big_expressions_are_refused_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert compile_pattern("a" * LONGEST).matches("a" * LONGEST)
    with pytest.raises(ValueError, match="at most"):
        compile_pattern("a" * (LONGEST + 1))
    with pytest.raises(ValueError, match="not a valid"):
        compile_pattern("((a{1,1000}){1,1000}){1,1000}")
    assert capfd.readouterr() == ("", "")


def test_matching_takes_linear_time() -> None:
    started = time.monotonic()
    assert not compile_pattern("(a*)*b").matches("a" * 50_000)
    assert not compile_pattern("(.*)*(.*)*(.*)*x").matches("a" * 50_000)
    assert time.monotonic() - started < 5


def test_what_is_no_text_matches_nothing() -> None:
    assert not compile_pattern(".*").matches("a\udcff")
    assert Matcher.parse("!a").matches("a\udcff")


def test_patterns_are_values() -> None:
    assert compile_pattern("a+") == compile_pattern("a+") != compile_pattern("a")
    assert len({compile_pattern("a+"), compile_pattern("a+")}) == 1


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("task-a|task-b", ["task-a", "task-b"], ["task-abc", "x-task-b"]),
        (" task-a ", ["task-a"], [" task-a "]),
        ("!task-a", ["task-b", "task-ab"], ["task-a"]),
        (" ! task-a ", ["task-b"], ["task-a"]),
        ("!!a", ["a", "b"], ["!a"]),
        ("!", ["a"], [""]),
        (r"\!a", ["!a"], ["a"]),
    ],
)
def test_matchers_may_be_inverted(text: str, matching: list[str], others: list[str]) -> None:
    matcher = Matcher.parse(text)
    assert [candidate for candidate in matching + others if matcher.matches(candidate)] == matching


@pytest.mark.parametrize(
    ("expression", "template", "text", "expected"),
    [
        ("b", "X", "/library/busybox", "/liXrary/XusyXox"),
        ("(.*)", "$1", "/library/busybox", "/library/busybox"),
        ("(.*)", "p$1", "/a/b", "p/a/b"),
        ("", "x", "ab", "xaxbx"),
        ("", "x", "", "x"),
        ("a*", "-", "baac", "-b-c-"),
        ("a*", "-", "éaé", "-é-é-"),
        ("^", "x", "ab", "xab"),
        ("$", "x", "ab\n", "ab\nx"),
        ("^a", "x", "aab", "xab"),
        (r"\b", "|", "ab cd", "|ab| |cd|"),
        ("a|ab", "x", "abab", "xbxb"),
        ("(b|a)", "<$1>", "éab", "é<a><b>"),
        ("a", "$0$0", "bab", "baab"),
        ("(a)(b)?", "[$2]", "aab", "[][b]"),
        ("(?P<n>a)", "<$n>", "a", "<a>"),
        ("(?P<n>a)", "<${n}x>", "a", "<ax>"),
        ("(?P<n>a)", "<$nx>", "a", "<>"),
        ("(?P<n>a)|(?P<n>b)", "<$n>", "ab", "<a><b>"),
        ("(?<n>a)*?(?P<n>b)", "<${n}$1$2>", "bab", "<bb><aab>"),
        (r"\((x)?\Q(\E[(](?i:(?P<n>b))", "<$n$2>", "((((b", "(<bb>"),
        (r"[]([:alpha:](]+(?P<n>b)|[^]\](](c)(?P<n>d)", "<$n>", "((b-cd", "<b><d>"),
        ("(a)", "$1_copy", "a", ""),
        ("(a)", "${1}_copy", "a", "a_copy"),
        ("(a)", "$1-copy", "a", "a-copy"),
        ("(a)", "$01", "a", ""),
        ("(a)", "$100000000$2", "a", ""),
        ("(a)", "$" + "9" * 5000, "a", ""),
        ("(a)", "$$1", "a", "$1"),
        ("(a)", "$$$1", "a", "$a"),
        ("(a)", "${", "a", "${"),
        ("(a)", "${}", "a", "${}"),
        ("(a)", "${1", "a", "${1"),
        ("(a)", "${a b}$1", "a", "${a b}a"),
        ("(a)", "$", "a", "$"),
        ("(a)", "$-", "a", "$-"),
        ("(a)", r"\1", "a", r"\1"),
        ("(a)", "$é", "a", ""),
        ("z", "$0", "ab", "ab"),
    ],
)
def test_replacing_is_that_of_go(expression: str, template: str, text: str, expected: str) -> None:
    assert Replacement.parse(expression, template).apply(text) == expected


@given(
    st.text(alphabet="ab/é\n", max_size=12), st.sampled_from(["", "a", "a*", "a|b", "(a|/)+", "^", "$", "b?", r"\b"])
)
def test_replacing_a_match_by_itself_changes_nothing(text: str, expression: str) -> None:
    assert Replacement.parse(expression, "$0").apply(text) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_quoted_text_matches_itself_alone(text: str) -> None:
    quoted: Pattern = compile_pattern("".join(rf"\x{{{ord(char):x}}}" for char in text))
    assert quoted.matches(text)
    assert not quoted.matches(text + "a")
    assert not quoted.matches("a" + text)
