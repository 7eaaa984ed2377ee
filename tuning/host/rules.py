"""Values and comparisons as the profiles write them."""

import ast
import operator
import re

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
             ast.FloorDiv: operator.floordiv}
FUNCTIONS = {"min": min, "max": max, "clamp": lambda value, low, high: max(low, min(value, high))}


class RuleError(ValueError):
    """A profile says something that cannot be read."""


def numbers(text, facts):
    """The values of 'expression, expression...' as a list of whole numbers."""
    plain = re.sub(r"\b(\d+)([KMG])\b", lambda m: str(int(m[1]) * UNITS[m[2]]), text)
    try:
        tree = ast.parse(f"({plain},)", mode="eval").body
        return [_number(part, facts) for part in tree.elts]
    except (SyntaxError, ZeroDivisionError, TypeError) as error:
        raise RuleError(f"'{text}': {error}") from None


def _number(node, facts):
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name) and node.id in facts:
        return facts[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_number(node.left, facts), _number(node.right, facts))
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            and node.func.id in FUNCTIONS and not node.keywords):
        return FUNCTIONS[node.func.id](*[_number(part, facts) for part in node.args])
    raise RuleError(f"'{ast.unparse(node)}' is neither a number, nor one of "
                    f"{', '.join([*facts, *FUNCTIONS])}")


class Numbers:
    """One whole number or several, each with its comparison."""

    def __init__(self, want, accept, facts):
        self.values = numbers(want, facts)
        parts = [part.strip() for part in accept.split(",")]
        if len(parts) == 1:
            parts *= len(self.values)
        if len(parts) != len(self.values):
            raise RuleError(f"{len(self.values)} values and {len(parts)} comparisons")
        self.tests = [self._test(part, value, facts) for part, value in zip(parts, self.values)]
        self.accept = accept
        self.range = [numbers(part, facts)[0] for part in accept.split("..")] \
            if ".." in accept else None

    @staticmethod
    def _test(part, value, facts):
        if ".." in part:
            low, high = (numbers(end, facts)[0] for end in part.split("..", 1))
            return lambda found: low <= found <= high
        tests = {"at least": lambda found: found >= value, "exactly": lambda found: found == value,
                 "at most": lambda found: found <= value}
        if part not in tests:
            raise RuleError(f"'{part}' is no comparison: at least, at most, exactly, LOW .. HIGH")
        return tests[part]

    def holds(self, text):
        fields = text.split()
        return (len(fields) == len(self.tests) and all(re.fullmatch(r"-?\d+", f) for f in fields)
                and all(test(int(field)) for test, field in zip(self.tests, fields)))

    def value(self, found=None):
        """What to write. Fields that were right already are kept."""
        fields = (found or "").split()
        if len(fields) != len(self.values):
            return " ".join(str(value) for value in self.values)
        return " ".join(field if re.fullmatch(r"-?\d+", field) and test(int(field)) else str(value)
                        for field, test, value in zip(fields, self.tests, self.values))

    def text(self):
        if self.range:
            return f"{self.range[0]} to {self.range[1]}"
        values = " ".join(str(value) for value in self.values)
        words = {"exactly": values, "at least": f"{values} or more", "at most": f"{values} or less"}
        return words.get(self.accept, values)


class Words:
    """One of several words, the best first. Kernel files may show the taken one in brackets."""

    def __init__(self, choose):
        self.words = choose.split()
        if not self.words:
            raise RuleError("choose names nothing")

    @staticmethod
    def taken(text):
        shown = re.search(r"\[([\w+-]+)\]", text)
        return shown[1] if shown else text.strip()

    def holds(self, text):
        return self.taken(text) in self.words

    def value(self, found=None):
        """The best word that the file offers."""
        if found and "[" in found:
            offered = found.replace("[", "").replace("]", "").split()
            for word in self.words:
                if word in offered:
                    return word
        return self.words[0]

    def text(self):
        return " or ".join(self.words[:3]) + (" ..." if len(self.words) > 3 else "")
