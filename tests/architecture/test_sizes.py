"""Small parts: what is long tires the reader."""

import ast

from tests.architecture.source import ROOT, product_files, tree_of

FILE_LINES_MAX, FUNCTION_LINES_MAX, FUNCTION_LINES_USUAL = 400, 60, 35


def functions():
    for file in product_files():
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


def test_no_file_is_longer_than_400_lines():
    long = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in product_files()}
    assert not {name: lines for name, lines in long.items() if lines > FILE_LINES_MAX}


def test_no_function_is_longer_than_60_lines():
    assert not [one for one in functions() if one[1] > FUNCTION_LINES_MAX]


def test_nine_functions_in_ten_stay_under_35_lines():
    lengths = [lines for _, lines in functions()]
    assert sum(lines < FUNCTION_LINES_USUAL for lines in lengths) >= 0.9 * len(lengths)
