import random

from archiver.page.lines import lines_above, lines_below, lines_of
from archiver.page.parse import parse

TAGS = ("div", "p", "span", "b", "ul", "li", "a", "script", "br", "aside", "button")


def test_lines_around_an_element_are_those_of_the_page() -> None:
    rng, compared = random.Random(3), 0
    for _ in range(200):
        before, after = ("".join(rng.choice(_pieces(rng)) for _ in range(rng.randint(0, 25))) for _ in range(2))
        tree, _ = parse(f"<html><body><div>{before}</div><h1>Rain at last</h1><div>{after}</div></body></html>")
        assert tree is not None
        headline = next(tree.iter("h1"), None)
        lines = [line.text for line in lines_of(tree)]
        if headline is None or "Rain at last" not in lines:  # within a script or a button that nothing closes
            continue
        compared += 1
        place = lines.index("Rain at last")
        assert [line.text for line in lines_above(headline)] == lines[:place][::-1]
        assert [line.text for line in lines_below(headline)] == lines[place:]
    assert compared > 50


def _pieces(rng: random.Random) -> list[str]:
    tag = rng.choice(TAGS)
    return [f"<{tag}>", f"</{tag}>", f" word{rng.randint(0, 99)} ", f"<{tag}>text{rng.randint(0, 99)}</{tag}> "]
