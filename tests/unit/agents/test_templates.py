"""Templates of strangers: what they can do, and what they can't do to us."""

from typing import Any

import pytest

from shared.agents.blocks.rules.templates import render
from shared.kernel.errors import ToolError

VALUES: dict[str, Any] = {
    "name": "Ada",
    "numbers": [3, 1, 2],
    "user": {"city": {"name": "Oslo"}, "items": "mine"},
    "big": "x" * 90_000,
    "nothing": None,
}


def unfolding(depth: int, use: str) -> str:
    """A tuple of six references to a tuple of six, and so on; `use` calls it `whole`."""
    template, last = "", "1"
    for level in range(depth):
        name = "whole" if level == depth - 1 else f"v{level}"
        template += f"{{% for {name} in [({','.join([last] * 6)})] %}}"
        last = name
    return template + use + "{% endfor %}" * depth


def code_of(template: str, values: dict[str, Any] | None = None) -> str:
    with pytest.raises(ToolError) as caught:
        render(template, VALUES if values is None else values)
    return caught.value.code


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hi {{ name }}!", "Hi Ada!"),
        ("{{ user.city.name }}, {{ user['city']['name'] }}, {{ values.name }}", "Oslo, Oslo, Ada"),
        ("{{ user.items }}", "mine"),
        ("{{ numbers }} {{ user.city }} {{ true }} [{{ nothing }}]", '[3, 1, 2] {"name": "Oslo"} true []'),
        (
            "{% for n in numbers %}{{ loop.index }}={{ n }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1=3, 2=1, 3=2",
        ),
        ("{{ numbers|sort|join('-') }} {{ numbers|length }} {{ numbers[0] }} {{ name[1:] }}", "1-2-3 3 3 da"),
        ("{{ missing|default('none') }} {{ ''|default('empty', true) }}", "none empty"),
        (
            "{{ 7 * 6 }} {{ 7 // 2 }} {{ 3.14159|round(2) }} {{ '12'|int + 1 }} {{ 'a' + 'b' }} {{ 1 ~ name }}",
            "42 3 3.14 13 ab 1Ada",
        ),
        ("{{ 'yes' if name == 'Ada' and name is defined else 'no' }}", "yes"),
        (
            "{{ name|upper|replace('A', 'I') }} {{ 'a b'|title }} {{ ' x '|trim }} {{ 'abcdef'|truncate(4) }}",
            "IDI A B x abc…",
        ),
        ("{% raw %}{{ name }}{% endraw %}{# nothing #}\n", "{{ name }}\n"),
    ],
)
def test_what_templates_are_for(template: str, text: str) -> None:
    """Variables, conditions, loops, filters and arithmetic; lists and objects are shown as JSON."""
    assert render(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ name.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ name|attr('__class__') }}",
        "{{ numbers.append(1) }}",
        "{{ '{0.__class__}'.format(name) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context }}",
        "{{ self }}",
        "{% for n in numbers %}{{ loop.__init__ }}{% endfor %}",
        "{% for n in numbers %}{{ loop }}{% endfor %}",
        "{% for n in numbers %}{{ loop.cycle(1, 2) }}{% endfor %}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'base' %}",
        "{{ range(10) }}",
        "{{ lipsum(100000) }}",
        "{{ dict(a=1) }}",
        "{% set x = 1 %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% filter upper %}x{% endfilter %}",
        "{{ numbers|map('upper') }}",
        "{{ name|pprint }}",
    ],
)
def test_there_is_no_way_out(template: str) -> None:
    """To Python's inside, to files, or to parts of the language that are not listed."""
    assert code_of(template) in {"template_not_allowed", "template_invalid"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ 2 ** 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ name|center(1000000000) }}",
        "{{ name|indent(1000000000) }}",
        "{{ 5|round(-1000000000) and big ~ big ~ big }}",
        "{{ big|replace('x', big) }}",
        "{{ big|join(big) }}",
        "{{ [big, big, big] }}",
        "{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}",
        "{% for a in big %}{{ big }}{% endfor %}",
        "{% for n in numbers recursive %}{{ loop(numbers) }}{% endfor %}",
        "{{ " + " * ".join(["9"] * 5_000) + " }}",
        "{{ " + "(" * 4_000 + "1" + ")" * 4_000 + " }}",
        "{{ " + "[" * 4_000 + "]" * 4_000 + " }}",
        "{% if 1 %}" * 1_500 + "{% endif %}" * 1_500,
        "{{ " + " ~ ".join(["big"] * 2_000) + " }}",
        "{{ " + " * ".join(["1000000000"] * 60) + " }}",
        "{% for a in big %}{% for b in big if b == 'y' %}{% endfor %}{% endfor %}",
        unfolding(19, "{{ {}[whole] }}"),
        unfolding(19, "{% if {whole: 1} %}{% endif %}"),
        unfolding(19, "{{ values[whole] }}"),
    ],
)
def test_a_bomb_does_not_go_off(template: str) -> None:
    """What would take too much time or memory is refused before it is done."""
    assert code_of(template) in {"value_too_large", "template_not_allowed", "template_invalid"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ missing }}",
        "{{ user.none }}",
        "{{ numbers[9] }}",
        "{{ 1 / 0 }}",
        "{{ name",
        "{% if %}",
        "{{ name + 1 }}",
        "{{ numbers|sort(1, 2, 3) }}",
        "{{ missing|upper }}",
        "{{ [1, 'a']|sort }}",
        "{{ 'x'|int }}",
    ],
)
def test_a_mistake_is_an_error(template: str) -> None:
    """Not an empty text, which nobody would notice."""
    assert code_of(template) == "template_invalid"


@pytest.mark.parametrize(
    "work",
    [
        "{{ (many|sort|reverse)[0] }}",
        "{% if many|unique|length > 3 %}{% endif %}",
        "{% if many == same %}{% endif %}",
        "{% if -1 in many %}{% endif %}",
        "{% if many is eq same %}{% endif %}",
        "{% if many[1:] %}{% endif %}",
        "{% if big[1:] %}{% endif %}",
    ],
)
def test_what_loops_work_on_is_bounded_together(work: str) -> None:
    """One round is fine, a thousand of them are not, though what comes out is small."""
    values = {"many": list(range(40_000)), "same": list(range(40_000)), "big": VALUES["big"], "rounds": [0] * 2_000}
    assert len(render(work, values)) < 10
    assert code_of("{% for round in rounds %}" + work + "{% endfor %}", values) == "value_too_large"


def test_what_takes_no_time_is_done_often() -> None:
    """A list of a thousand is compared with one of five thousand; a long text is measured in each round."""
    values = {"some": list(range(1_000)), "seen": list(range(5_000)), "long": "x" * 90_000}
    text = render("{% for one in some if one in seen %}{{ long|length }}{% endfor %}", values)
    assert text == "90000" * 1_000


def test_values_that_unfold_are_measured() -> None:
    """Also those that are the same object many times over."""
    value: Any = "x"
    for _ in range(64):
        value = [value, value]
    assert code_of("{{ v }}", {"v": value}) == "value_too_large"


def test_values_may_be_called_anything() -> None:
    """Also like something of Jinja's or Python's."""
    assert render("{{ values['self'] }}{{ values['a b'] }}{{ context }}", {"self": 1, "a b": 2, "context": 3}) == "123"
