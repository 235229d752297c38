# The page is whole, self-contained, and shows what is there; names are text, not markup.
truncate -s 8M disk.img
sgdisk -n 1:2048:+1M -c '1:<b>"&' disk.img >/dev/null
mvpctl inspect --html disk.img >disk.html
mvpctl inspect --html good.yaml >memory.html
python3 - <<'X'
from html.parser import HTMLParser

class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.open, self.text, self.tags = [], "", []
        self.feed(open(path).read())
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href"} & dict(attrs).keys(), attrs
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data + "\n"

disk, memory = Page("disk.html"), Page("memory.html")
assert '<b>"&' in disk.text and "b" not in disk.tags
assert "vault" in memory.text and "keys.oem" in memory.text
assert disk.tags.count("svg") == memory.tags.count("svg") == 1
X
