"""A page shows every text as it is: nothing in a name can become markup."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.pages.html import Html, breakable, document, element, joined

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'/=!-"), max_size=30
)


class Read(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
@example("<b>&amp;", '">')
def test_text_and_attributes_come_back_as_they_were(inside: str, value: str) -> None:
    read = Read(element("p", inside, title=value))
    assert read.tags == ["p"]
    assert read.text == inside
    assert read.attributes == {"title": value}


@given(TEXT)
def test_a_breakable_name_is_the_same_name(name: str) -> None:
    read = Read(element("p", breakable(name)))
    assert read.text == name
    assert set(read.tags) <= {"p", "wbr"}


def test_elements_by_hand() -> None:
    assert element("p", "1 < 2", class_="note") == '<p class="note">1 &lt; 2</p>'
    assert element("br") == "<br>"
    assert element("input", checked=True, disabled=False) == "<input checked>"
    assert element("svg", aria_hidden="true") == '<svg aria-hidden="true"></svg>'
    assert joined(["<", Html("<b>"), element("i", "&")]) == "&lt;<b><i>&amp;</i>"
    assert breakable("a/b_c") == "a/<wbr>b_<wbr>c"


@pytest.mark.parametrize("title", ["a", "</title><script>alert(1)</script>"])
def test_a_page_loads_nothing_from_elsewhere(title: str) -> None:
    page = document(title, "p{color:red}", element("p", "words"))
    read = Read(page)
    assert page.startswith("<!doctype html>\n<html")
    assert "script" not in read.tags
    assert "link" not in read.tags
    assert not re.search(r"https?:|@import|url\(", page)
    assert 'charset="utf-8"' in page
