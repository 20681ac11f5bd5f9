"""Expressions that chat templates may hold, for compare.py: each is rendered by Jinja2 as transformers sets it up, and by gac."""

# What all of them see: a chat with a system message, tools, parts, calls, and white space at the ends.
MESSAGES = [
    {"role": "system", "content": "  Be brief.\n"},
    {"role": "user", "content": "Wie weit ist es? 2 km <b>\"fern\"</b> & näher 😀"},
    {"role": "assistant", "content": "Two.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "way", "arguments": {"to": "Oslo", "km": 2.0, "by": None, "ok": True}}}]},
    {"role": "tool", "content": "[1, 2]", "name": "way", "tool_call_id": "c1"},
    {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "image"}, {"type": "text", "text": "back?"}], "name": "Ada"},
]
TOOLS = [{"type": "function", "function": {"name": "way", "description": "Says how far it is.", "parameters": {
    "type": "object", "properties": {"to": {"type": "string", "enum": ["Oslo", "Bergen"]}, "by": {"type": ["string", "null"], "default": None}},
    "required": ["to"]}}}]

STRINGS = r"""
'ab cd'.title() | 'hELLO wORLD'.title() | "they're bill's".title() | 'ß x'.title() | 'ǆx'.title() | 'élan ÉTÉ'.title() | '3rd a1b'.title()
'hELLO'.capitalize() | 'ßa'.capitalize() | 'ÉA'.capitalize() | ''.capitalize() | 'aB'.swapcase() | 'ßÄ'.swapcase() | 'Straße'.casefold()
'aBß'.upper() | 'İ'.lower() | 'ΑΣ'.lower() | 'AbC'.lower() | 'x'.upper().lower()
'abab'.count('a') | 'abab'.count('ab', 1) | 'aaaa'.count('aa') | 'abc'.count('') | 'abcabc'.count('c', 0, 3) | 'x'.count('y') | 'abab'.count('a', -2)
'abab'.find('b') | 'abab'.find('x') | 'abab'.find('b', 2) | 'abab'.find('b', -1) | 'äbäb'.find('b') | 'abab'.find('') | 'ab'.find('', 3) | 'abab'.find('a', 0, 1)
'abab'.rfind('b') | 'abab'.rfind('b', 0, 3) | 'abab'.rfind('x') | 'äbäb'.rfind('ä') | 'abab'.index('b') | 'abab'.rindex('b') | 'abab'.index('x') | 'abab'.rindex('x')
'a-b-c'.split('-') | 'a-b-c'.split('-', 1) | 'a-b-c'.split('-', maxsplit=1) | 'a-b-c'.split('-', -1) | 'a-b-c'.split('-', 0) | 'a-b-c'.split(sep='-') | ' a  b '.split() | ' a  b  c '.split(none, 1) | 'a b'.split(' ') | 'a  b'.split(' ')
'a b  c'.split(maxsplit=1) | ''.split() | ''.split(',') | 'a,,b'.split(',') | 'a\tb\nc'.split() | 'a<>b'.split('<>') | 'abc'.split('') | '  a b  '.split(none, 0) | 'a\u001cb'.split() | 'a\u00a0b'.split()
'a-b-c'.rsplit('-', 1) | 'a-b-c'.rsplit('-') | ' a b  c '.rsplit(none, 1) | 'a-b-c'.rsplit('-', maxsplit=1)[0] | ' a b '.rsplit() | ''.rsplit('x')
'a\nb\r\nc\rd'.splitlines() | 'a\nb\n'.splitlines() | 'a\nb\n'.splitlines(true) | ''.splitlines() | 'a\x0bb\x0cc\x1cd\u0085e\u2028f'.splitlines() | '\n'.splitlines()
'abc'.removeprefix('a') | 'abc'.removesuffix('c') | 'abc'.removeprefix('x') | 'abc'.removesuffix('') | 'aab'.removeprefix('a')
'12'.isdigit() | ''.isdigit() | '1a'.isdigit() | '²'.isdigit() | '²'.isdecimal() | '½'.isnumeric() | '½'.isdigit() | '٣'.isdigit() | '٣'.isdecimal() | '一'.isnumeric() | 'Ⅷ'.isnumeric() | '①'.isdigit() | '1.5'.isdigit()
'a'.isalpha() | 'a1'.isalpha() | 'é'.isalpha() | '漢'.isalpha() | 'a1'.isalnum() | ' '.isalnum() | '²'.isalnum() | 'Ⅷ'.isalpha() | '\u0301'.isalpha()
'AB'.isupper() | 'A1'.isupper() | '1'.isupper() | 'Ab'.isupper() | 'ab'.islower() | 'a1'.islower() | 'Ab'.islower() | ''.islower() | 'Ab Cd'.istitle() | 'AB'.istitle() | 'Ab cd'.istitle() | 'A1b'.istitle() | ''.istitle()
' '.isspace() | ''.isspace() | ' a'.isspace() | '\u001c'.isspace() | '\u00a0\u3000'.isspace() | '\u200b'.isspace() | 'é'.isascii() | 'e'.isascii() | ''.isascii()
'ab_1'.isidentifier() | '1a'.isidentifier() | ''.isidentifier() | 'a\n'.isprintable() | 'a b'.isprintable() | '\u00a0'.isprintable()
', '.join(['a', 'b']) | ''.join([]) | '-'.join('abc') | ', '.join(['a', 1]) | ','.join({'x': 1, 'y': 2}) | ','.join(('a', 'b'))
'{} and {}'.format('a', 1) | '{1}{0}'.format('a', 'b') | '{x}'.format(x=3) | '{0.role}'.format(messages[0]) | '{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c') | '{:05d} {:.2f} {:,}'.format(42, 3.14159, 1234567) | '{{}}'.format() | '{!r}'.format('a') | '{:x} {:b} {:o}'.format(255, 5, 8) | '{:+d} {:e} {:%}'.format(3, 12345.678, 0.25) | '{}'.format(none) | '{} {}'.format(true, 1.0) | '{}'.format([1, 'a']) | '{0[role]}'.format(messages[0])
'%s-%s' % ('a', 3) | '%s' % 'a' | '%d%%' % 5 | '%5.2f|%-5s|%05d' % (3.14159, 'ab', 42) | '%x %X %o' % (255, 255, 8) | '%r' % 'a' | '%(x)s' % {'x': 1} | '%s' % none | '%s %s' % (true, 1.5) | '%s' % [1, 2] | '%s' % ((1, 2),) | '%e' % 12345.678 | '%g' % 0.00001 | '%c' % 'a' | '%i' % 3.7 | '%s' % 1e20
'%s' % messages[0].role ~ 'x' | 7 % 4 | -7 % 3 | 7 % -3 | 7.5 % 2 | -7.5 % 2 | (1 + 6) % 4 % 2 | 2 * 7 % 4 | '%s' % 'a' | upper | ('%s' % 'a')|upper | 7 % 0
'%s' % ('a' ~ 'b') | '%s' % ('%s' % 'x') | [7 % 2, '%d' % 3] | {'a': 7 % 2} | (7 % 2) is odd | 7 % 2 == 1 | 1 if 7 % 2 else 0 | range(7 % 4)|list
'aaa'.replace('a', 'b', 1) | 'aaa'.replace('a', 'b') | 'aaa'.replace('a', 'b', 0) | 'aaa'.replace('a', 'b', -1) | 'abc'.replace('', '-') | 'a.b'.replace('.', '-') | 'aaa'.replace('aa', 'b')
'7'.zfill(3) | '-7'.zfill(4) | '+7'.zfill(4) | 'abc'.zfill(2) | ''.zfill(2) | 'a'.center(3) | 'ab'.center(5) | 'a'.center(4) | 'abcd'.center(7, '*') | 'a'.ljust(3) ~ '|' | 'a'.rjust(3) | 'a'.ljust(3, '.') | 'a'.rjust(3, '..') | 'é'.rjust(3)
'a=b=c'.partition('=') | 'a=b=c'.rpartition('=') | 'abc'.partition('=') | 'abc'.rpartition('=') | 'a=b'.partition('=')[2] | 'a'.partition('')
'  a '.strip() ~ '|' | 'xxaxx'.strip('x') | 'xyaxy'.strip('xy') | '  a '.lstrip() ~ '|' | '  a '.rstrip() ~ '|' | '  a '.strip(none) | 'abc'.strip('') | '\u00a0a\u3000'.strip()|length | '\u001ca\u001f'.strip()|length | '\u200ba'.strip()|length | 'xax'.lstrip('x') | 'xax'.rstrip('x')
'abc'.startswith('b', 1) | 'abc'.startswith('a') | 'abc'.startswith(('x', 'a')) | 'abc'.startswith(['a']) | 'abc'.endswith('c') | 'abc'.endswith('b', 0, 2) | 'abc'.endswith(('b', 'c')) | 'abc'.startswith('') | 'abc'.startswith('', 4) | 'abc'.startswith('c', -1) | 'abc'.startswith(1)
'a\tb'.expandtabs() | 'a\tb\n\tc'.expandtabs(4) | '\t'.expandtabs(0)
'ab' * 3 | 3 * 'ab' | 'ab' * 0 | 'ab' * -1 | 'ab' * true | 'a' + 'b' | 'a' + 1 | 'a' ~ 1 ~ none ~ true ~ 1.0 | 'a' ~ nothing ~ 'b' | 1 ~ 2 | [1] ~ {'a': 1.0} | 1e20 ~ 'x'
'abcdef'[1:3] | 'abcdef'[-2:] | 'abcdef'[::2] | 'abcdef'[::-1] | 'abcdef'[4:1:-1] | 'abcdef'[10:] | 'äöü'[1] | 'abc'[-1] | 'abc'[5] is defined | 'abc'[:-1] | 'abc'[1:-1] | 'abcdef'[-1:-4:-1] | 'abc'[none:2]
'a\tb\\n\x41\u00e9\'' | "q\"q'" | 'a' 'b' | 'it\'s' | '\101\0' | '\N{BULLET}' | 'a\
b' | '\q'
'' or 'x' | 'a' and 'b' | not '' | 'a' in 'abc' | '' in 'abc' | 'x' not in 'abc' | 'a' < 'b' | 'B' < 'a' | 'a' == 'a' | 'a' != 'b' | 'a' is in 'abc' | 'abc' >= 'abb'
'abc'|length | 'äö'|length | 'abc'|first | 'abc'|last | 'abc'|reverse | 'abc'|list | 'abc'|upper | 'aB'|lower | 'aB cD'|title | 'aB'|capitalize | "it's a-b c_d"|title | 'a b  c'|wordcount | 'a'|count
'  a '|trim ~ '|' | 'xxaxx'|trim('x') | '\u001ca'|trim|length | 'aXb'|replace('X', '-') | 'aaa'|replace('a', 'b', 2) | 'a1'|replace(1, 2) | '%s-%d'|format('a', 3) | '%(a)s'|format(a=1) | 'abc'|center(7) ~ '|' | 'abc'|center ~ '|'
'a\nb'|indent(2) | 'a\nb'|indent | 'a\n\nb'|indent(2) | 'a\nb'|indent(2, true) | 'a\n\nb'|indent(2, blank=true) | 'a\nb'|indent('> ') | 'a\nb'|indent(width=1, first=true) | 'a\nb\n'|indent(2) ~ '|'
'abcdefghij'|truncate(5) | 'abc def ghi jkl'|truncate(9) | 'abc def ghi jkl'|truncate(9, true) | 'abcdefghij'|truncate(9, leeway=0) | 'abcdefghij'|truncate(5, end='…', leeway=0) | 'abc'|truncate(5)
'<b>x</b> <!-- c --> y'|striptags | 'a &amp; b'|striptags | '<a>'|e | '<a>&"\''|escape | '<a>'|safe | '<a>'|forceescape | 'a b/é?&'|urlencode | {'a': 'b c', 'd': 1}|urlencode | 'http://x.y z'|urlize
'the quick brown fox'|wordwrap(9) | 'abcdefghij'|wordwrap(4) | 'a\nb c d'|wordwrap(3) | 'the quick-brown fox'|wordwrap(9, break_on_hyphens=false) | 'abcdefghij kl'|wordwrap(4, false) | 'ab cd'|wordwrap(2, wrapstring='|')
""".strip().splitlines()

CONTAINERS = r"""
['a', 1, true, none, 1.0, nothing] | [] | {} | () | (1,) | (1, 'a') | {'a': [1, {'b': none}]} | [[1], (2, 3)] | ['it\'s', "a\"b", 'a\nb', 'é', '\u00a0'] | [1e20, 1e-7, 0.1, 100.0, -0.0]
{'z': 1, 'a': 2, 'm': 3} | {'z': 1, 'a': 2}|list | {'z': 1, 'a': 2}.keys() | {'z': 1, 'a': 2}.values() | {'z': 1, 'a': 2}.items() | {'z': 1, 'a': 2}.items()|list | {'z': 1}.keys()|list | {'b': 1}.items()|length | {1: 'a', 'b': 2, none: 3, true: 4}
{'a': 1}.get('a') | {'a': 1}.get('b') | {'a': 1}.get('b', 'z') | {'a': 1}.get(key='a') | {'a': none}.get('a', 2) | {'a': 1}['a'] | {'a': 1}.a | {'a': 1}.b is defined | {'a': 1}['b'] is defined | {1: 'a'}[1] | {'a': 1}.copy() | {'a': 1}.pop('a') | {'a': 1}.update({'b': 2}) | {'a': 1}.setdefault('b', 2) | {'items': 1}['items'] | {'items': 1, 'b': 2}.items()|list | {'get': 1, 'a': 2}.get('a') | {'keys': 1}.keys()|list
'a' in {'a': 1} | 1 in {'a': 1} | 'b' not in {'a': 1} | {'a': 1} == {'a': 1} | {'a': 1, 'b': 2} == {'b': 2, 'a': 1} | {'a': 1} != {'a': 2} | {'a': 1}|length | {} or 'empty' | not {}
dict(a=1, b='x') | dict({'a': 1}, b=2) | dict([('a', 1)]) | dict(a=1).a | dict(messages[0], content='x') | dict(**{'a': 1}) | dict()
['a', 'b'].index('b') | ['a', 'b'].index('x') | ['a', 'a'].count('a') | [1, 2].copy() | (1, 2, 1).count(1) | (1, 2).index(2) | [1, 2, 1].index(1, 1) | [1].append(2) | [1].pop() | [1].extend([2]) | [1].insert(0, 1) | [2, 1].sort() | [1].clear() | [1].remove(1) | [1, 2].reverse()
['a'] + ['b'] | [1] * 3 | [1, 2] == [1, 2] | [1, 2] < [1, 3] | (1, 2) == (1, 2) | (1, 2) == [1, 2] | [1] + (2,) | (1,) + (2,) | ([1] + [2])|length | [1, 2, 3][1:] | [1, 2, 3][::-1] | [1, 2, 3][-1] | [1, 2, 3][:-1] | (1, 2, 3)[1:] | [1, 2, 3][5] is defined | [[1, 2], [3]][0][1] | [1, 2, 3, 4][::2] | [1, 2, 3].0
1 in [1, 2] | 1.0 in [1] | none in [none] | 'a' in ['ab'] | 'user' in messages|map(attribute='role') | [1] in [[1]] | true in [1] | nothing in [1] | 'a' in nothing | 'a' in none
range(3)|list | range(3) | range(1, 7, 2)|list | range(3, 0, -1)|list | range(0)|list | range(2)|length | range(3)[1] | 2 in range(3) | range(1, 4)|sum | range(5)[-1] | range(4)[1:] | range(1, 10, 3)
messages|length | messages[-1].role | messages[0]['role'] | messages[1:]|length | messages[::-1][0].role | messages[9] is defined | messages[0].x is defined | messages[0].x.y | messages[9].x | messages[4].content[0].text | messages[2].tool_calls[0]['function'].arguments.to | messages[2].tool_calls[0].function.name
messages|map(attribute='role')|list | messages|map(attribute='role')|join(',') | messages|map(attribute='name', default='-')|list | messages|selectattr('role', 'equalto', 'user')|list|length | messages|selectattr('role', 'eq', 'user')|map(attribute='role')|list | messages|rejectattr('role', 'in', ['user', 'tool'])|map(attribute='role')|list | messages|selectattr('name')|list|length | messages|selectattr('name', 'defined')|list|length | messages|selectattr('role', '==', 'user')|list|length | messages|map(attribute='content.0.type')|list|length | messages|map('length')|list | ['a', 'b']|map('upper')|join | [1, 2]|map('string')|list | ['a-b']|map('replace', '-', '+')|list
[1, 2, 3]|select('odd')|list | [1, 2, 3]|reject('odd')|list | [0, 1, none]|select|list | [0, 1, '']|reject|list | [1, 2, 3]|select('greaterthan', 1)|list | [1, 2, 3]|select('in', [1, 3])|list | ['a', 1]|select('string')|list | [1, 2, 3]|select('>', 2)|list | [3, 4]|select('divisibleby', 2)|list
[3, 1, 2]|sort | [3, 1, 2]|sort(reverse=true) | ['b', 'A', 'c']|sort | ['b', 'A']|sort(case_sensitive=true) | messages|sort(attribute='role')|map(attribute='role')|list | {'b': 1, 'a': 2}|dictsort | {'b': 1, 'a': 2}|dictsort(by='value') | {'b': 1, 'A': 2}|dictsort(true) | {'b': 1, 'a': 2}|dictsort(reverse=true) | [1, 1, 2]|unique|list | ['a', 'A']|unique|list | ['a', 'A']|unique(true)|list | [3, 1]|max | [3, 1]|min | ['b', 'A']|max | []|max | [1, 2.5]|sum | [1]|sum(start=5) | [{'x': 1}, {'x': 2}]|sum('x') | [[1, 'b'], [0, 'a']]|sort | [3, 1]|sort|first
[1, 2, 3, 4, 5]|batch(2)|list | [1, 2, 3]|batch(2, 0)|list | [1, 2, 3, 4, 5]|slice(2)|list | [1, 2, 3]|slice(2, 'x')|list | [1, 2]|first | [1, 2]|last | []|first is defined | []|last is defined | [1, 2]|reverse|list | 'abc'|reverse | [1, [2]]|join('-') | [true, none]|join(',') | [1.0, 1e20]|join(' ') | ['a', 'b']|join | messages|join('+', attribute='role') | [nothing]|join('x') | [1, 2]|random in [1, 2]
messages|groupby('role')|map(attribute='grouper')|list | messages|groupby('role')|map(attribute='list')|map('length')|list | messages|groupby('name', default='-')|map('first')|list | [{'a': 'x'}, {'a': 'X'}]|groupby('a')|length | [{'a': 'x'}, {'a': 'X'}]|groupby('a', case_sensitive=true)|length
{'a': 1}|items|list | messages[0]|items|list | nothing|items|list | {'a': 1, 'b': 2}|list | {'a': 1}|first | messages[0]|length | {'a': {'b': 1}}|attr('a') | messages[0]|attr('role') | {'a b': 1, 'c': 'd"', 'e': none}|xmlattr | {'a': 1}|xmlattr(false) | [1, 'a']|pprint | {'b': 1, 'a': 'x'}|pprint | 'a'|pprint
(messages|list)[0].role | messages|list|length | messages[0] in messages | messages[0] == messages[0] | ([messages[0]] + messages)|length | messages[4].content|map(attribute='text')|select('defined')|join | (messages|first).role | (messages|last).name
namespace(a=1).a | namespace(a=1).b is defined | namespace({'a': 2}).a | namespace(a=1) is mapping | cycler('a', 'b').next() | cycler('a', 'b').current | joiner()() | namespace(a=[]).a|length
""".strip().splitlines()

VALUES = r"""
1.0 | 3/2 | 4/2 | 7//2 | -7//2 | 7.5//2 | 2**3 | 2**-1 | 2**0.5 | 2**3**2 | -2**2 | 10**20 | 2**70 | 1e20 | 1e16 | 1e15 | 123456789.123 | 1e-5 | 0.1 + 0.2 | 1_000 | 0x1f | 0b11 | 0o17 | 1.5e3 | 1/0 | 1//0 | 5 - -3 | +3 | - 3|abs | (-3)|abs | -3|abs | 1 + 2 * 3 | (1 + 2) * 3 | 7 - 2 - 1 | 2 * 3 % 4
true | false | none | True | False | None | nothing | [true] | true + 1 | true == 1 | 1 == 1.0 | '1' == 1 | none == false | nothing == none | nothing is none | none is none | true and none | 0 or none | none or 0 | not none | not nothing | not 0 | true is true | 1 is true | false is false | true is sameas true | 1 is sameas 1 | none is sameas none
1 < 2 | 1 < 2 < 3 | 3 > 2 > 2 | 1 <= 1 | 1 != 1 | 1 == 1 == 1 | 1 in [1] in [[1]] | not 1 == 2 | not true and false | true or false and false | 1 if true | 1 if false | [1 if false] | 'a' if false else 'b' if false else 'c' | (1 if true else 2) + 1 | 1 if nothing else 2
'3'|int | '3.7'|int | 'x'|int | 'x'|int(7) | 'ff'|int(base=16) | '0x1f'|int(0, 16) | 3.9|int | -3.9|int | none|int | true|int | ' 4 '|int | '1_000'|int | '3.5'|float | 'x'|float | 'x'|float(1.5) | 3|float | none|float | '1e3'|float | 'inf'|float | 'nan'|float | '12'|int(base=8) | []|int
3.7|round | 2.5|round | 3.5|round | 3.14159|round(2) | 3.7|round|int | 3.2|round(0, 'ceil') | 3.7|round(method='floor') | 1234|round(-2) | 3|round | 2.675|round(2) | 3.14159|round(2, 'ceil') | -3|abs | -3.5|abs | 42|string | true|string + none|string | 1.0|string | [1]|string | nothing|string | 1e20|string
nothing|default('d') | ''|default('e') | ''|default('e', true) | none|default('n') | none|default('n', true) | nothing|d('f') | nothing|default | 0|default(1, boolean=true) | messages[0].x|default('y') | nothing.x|default('y') | nothing|default([]) | (nothing|default({})).a is defined
1000|filesizeformat | 1|filesizeformat | 123456789|filesizeformat | 1024|filesizeformat(true) | 0|filesizeformat | 1500000|filesizeformat(binary=true) | '2000'|filesizeformat
nothing | [nothing] | nothing|length | nothing|list | nothing|first is defined | nothing.a | nothing['a'] | nothing() | nothing + 1 | 'a' + nothing | nothing ~ 'a' | -nothing | nothing < 1 | nothing == nothing | nothing|upper | nothing|trim | nothing|join | nothing in 'abc' | nothing|tojson | nothing.startswith('a') | nothing[0:1] | nothing or 'x' | nothing and 'x' | nothing|int | nothing|sort | nothing * 2 | 2 ** nothing | nothing % 2
none.a | none.a is defined | none|length | none + 1 | none|list | none|upper | none|trim | none|join | none|tojson | none['a'] is defined | none() | none|first | none ~ 'a' | none|default('x') | none < 1 | none.strip()
messages is iterable | messages is sequence | messages[0] is mapping | messages[0] is sequence | messages[0] is iterable | 'a' is string | 'a' is sequence | 'a' is iterable | 1 is number | 1 is integer | 1.0 is float | 1.0 is integer | true is boolean | true is number | true is integer | 1 is boolean | '1' is number | none is iterable | nothing is iterable | none is sequence | nothing is sequence | none is mapping | nothing is mapping | nothing is string | range(3) is sequence | range(3) is iterable | (1, 2) is sequence | {'a': 1}.items() is iterable | {'a': 1}.items() is sequence | {} is mapping | [] is mapping
x is undefined | x is defined | messages is defined | messages[0].role is defined | messages[0].x is undefined | none is defined | 3 is odd | 4 is even | 4 is divisibleby(2) | 4 is divisibleby 2 | 1 is eq(1) | 1 is eq 1 | 1 is ne 2 | 1 is lt 2 | 2 is gt 1 | 2 is ge 2 | 1 is le 0 | 'a' is in ['a'] | 'a' is not in ['a'] | raise_exception is callable | 'a' is callable | messages is callable | nothing is callable | joiner is callable | namespace is callable | 'AB' is upper | 'ab' is lower | 1 is equalto 1 | 1 is greaterthan 0 | 1 is lessthan 2 | 'upper' is filter | 'nope' is filter | 'odd' is test | 1 is not none | not 1 is none | 1 is not defined | x is not defined and true | 'x' is escaped | 'a' is eq 'a' and 1 is odd
messages|tojson | messages[0]|tojson | tools|tojson | tools[0]|tojson(indent=4) | tools|tojson(indent=2) | {'b': [1, 2.0, 'é<&>'], 'a': none, 'c': true}|tojson | {'b': [], 'a': {'x': 1}, 'c': {}, 'd': ()}|tojson(indent=4) | {'b': [1, 2], 'a': 1}|tojson(separators=(',', ':')) | {'b': [1, 2], 'a': {'y': 1, 'x': 2}}|tojson(sort_keys=true) | {'a': 'é😀\u007f'}|tojson(ensure_ascii=true) | {'a': 'é'}|tojson(ensure_ascii=False) | {'a': 'é'}|tojson(false) | {'a': 'é'}|tojson(true, 1) | {'a': 1}|tojson(indent='\t') | {'a': [1]}|tojson(indent=0) | {'a': 1}|tojson(none, none, (', ', '='))
[1.0, 1e20, 0.1, 1e-7, 1e16, -0.0, 2**70]|tojson | (1e308 * 10)|tojson | ('nan'|float)|tojson | 'a"b\\c\n\t\u0001\u2028/'|tojson | {1: 'a', none: 2, true: 3, 1.5: 4}|tojson | (1, 2)|tojson | range(2)|tojson | [nothing]|tojson | namespace|tojson | {'a': 1}.items()|tojson | 'x'|tojson|length | ('<a>'|tojson)|safe | {'b': 1, 'a': [2]}|tojson(indent=2, sort_keys=true, separators=(',', ': ')) | tojson(1) | {'a': 1}|tojson(width=1) | messages[4].content|tojson | {'é': 1}|tojson(ensure_ascii=true)
strftime_now('%d %b %Y') | strftime_now('%Y-%m-%d') | strftime_now('%j') | strftime_now('%-d %B %Y') | strftime_now('%D|%x|%y%m%d') | strftime_now('%e') | strftime_now('%U %W %V %u %w %G %g') | strftime_now('%I %p') | strftime_now('%A, %a') | strftime_now('%H:%M:%S|%X|%T|%R|%r') | strftime_now('%c') | strftime_now('%h %C %n%t%%') | strftime_now('%-m/%-d/%-I') | strftime_now('%k|%l') | strftime_now('%P') | strftime_now('%z%Z') | strftime_now('%f') | strftime_now('%^a %_d %05d %3d') | strftime_now('') | strftime_now('x %') | strftime_now('%q %J')
bos_token | eos_token ~ pad_token | bos_token|length | unk_token | cls_token is defined | additional_special_tokens is defined | tools is none | documents is none | tools|length | add_generation_prompt | builtin_tools is defined | enable_thinking is defined and enable_thinking is false | raise_exception('no') | raise_exception(7) | raise_exception() | self is defined | loop is defined | lipsum is defined | debug is defined | dict is defined | cycler is defined | range is defined
'a'|split | 'a'|lines | 1|bool | [1]|zip | 'a'|fromjson | 'a'|nope | 'a' is nope | 'a'.nope() | nope() | messages.nope() | messages[0].nope() | 'a' is startingwith 'a' | 1.nope is defined | 'a'.upper is defined | messages[0].items is defined | 'a'.__class__ | messages.__class__ is defined
[1, 2]|map('add', 1) | ''.join(messages|map(attribute='role')) | (messages|map(attribute='role')|list)[1] | messages|map(attribute='role')|first | (1, 2)|list | [(1, 2), (3, 4)]|map('first')|list | ['x']|map('format', 1)|list | ['%s!']|map('format', 1)|list | [[1, 2], [3]]|sum(start=[]) | [[1, 2], [3]]|map('length')|sum | messages|selectattr('content', 'string')|list|length | messages|selectattr('content', 'mapping')|list|length | messages|selectattr('tool_calls', 'defined')|map(attribute='tool_calls')|first|length
""".strip().splitlines()

# Whole statements, one a line; `\n` is a line break.
STATEMENTS = r"""
{% for m in messages %}{{ loop.index0 }}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}
{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.role }}{% else %}none{% endfor %}
{% for m in [] %}x{% else %}none{% endfor %}
{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% endfor %}
{% for m in messages %}{{ loop.previtem.role if loop.previtem else '-' }}{{ loop.nextitem.role if not loop.last }}{% endfor %}
{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in messages[0]|items %}{{ k }}={{ v }};{% endfor %}
{% for k, v in messages[0]|dictsort %}{{ k }}={{ v }};{% endfor %}
{% for k in messages[0] %}{{ k }}{% endfor %}
{% for k, v in {'b': 1, 'a': 2}.items() if k != 'b' %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for c in 'abc' %}{{ c }}-{% endfor %}
{% for x in none %}{% endfor %}
{% for x in nothing %}{% else %}e{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in tools or [] %}{{ x.type }}{% endfor %}
{% for item in [1, [2, [3]]] recursive %}{{ item if item is number else loop(item) }}{{ loop.depth }}{% endfor %}
{% for m in messages %}{% for q in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for m in messages[1:] | reverse %}{{ m.role }}{% endfor %}
{% for i in range(messages|length - 1, -1, -1) %}{{ messages[i].role }}{% endfor %}
{% for m in messages %}{% set outer = loop %}{% for q in [1] %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}
{% set a = 1 %}{% for m in messages %}{% set a = 2 %}{% endfor %}{{ a }}
{% set ns = namespace(x=0, found=false) %}{% for m in messages %}{% set ns.x = ns.x + 1 %}{% if m.role == 'tool' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.x }}{{ ns.found }}
{% set ns = namespace() %}{% set ns.l = [] %}{% set ns.l = ns.l + ['q'] %}{% set ns.l = ns.l + ['r'] %}{{ ns.l }}{{ ns.l|length }}
{% set ns = namespace(_x=1) %}{{ ns._x }}
{% if true %}{% set q = 1 %}{% endif %}{{ q }}
{% for m in messages %}{% set q = 1 %}{% endfor %}{{ q is defined }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a = 1, 2 %}{{ a }}
{% set x %}abc{{ 1 }}{% endset %}{{ x }}{{ x|length }}
{% set x | upper %}abc{% endset %}{{ x }}
{% set x | trim | replace('a', 'b') %} abc {% endset %}{{ x }}
{% filter upper %}abc{{ 'd' }}{% endfilter %}
{% filter indent(2) %}a\nb{% endfilter %}
{% with a=1, b=2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z is defined }}
{% macro f(a, b='z') %}{{ a }}{{ b }}{% endmacro %}{{ f('x') }}{{ f('x', b='y') }}{{ f('x', 'w') }}{{ f() }}
{% macro f(x) -%}\n  {{ x }}\n{%- endmacro %}[{{ f('a') }}]{{ f('a')|length }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(2) }}
{% macro f() %}{{ messages|length }}{{ bos_token }}{% endmacro %}{{ f() }}
{% macro f() %}{{ z is defined }}{% endmacro %}{% set z = 1 %}{{ f() }}
{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}
{% macro f(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) f([1, 2]) %}[{{ x }}]{% endcall %}
{% macro f(a) %}{{ f.name }}{{ f.arguments }}{% endmacro %}{{ f(1) }}{{ f is callable }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(a=1) ~ 'x' }}{{ 'y' + f(2) }}{{ f(3) == '3' }}{{ f(1) is string }}
{% macro f(a=[]) %}{{ a|length }}{% endmacro %}{{ f() }}{{ f([1]) }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f('x', 'y', z=1) }}{{ f('x') }}{{ f(a=1) }}{{ f('x', 'y', 'z')|length }}
{% macro f() %}{% for v in varargs %}[{{ v }}]{% endfor %}{% for k, v in kwargs.items() %}{{ k }}={{ v }}{% endfor %}{% endmacro %}{{ f() }}{{ f(1, 2, k=3) }}
{% macro g(a, b=2) %}{{ a }}{{ b }}{{ varargs|length }}{% endmacro %}{{ g(1, 3, 4, 5) }}{{ g(b=1, a=0) }}
{% macro g(a) %}{{ a }}{% endmacro %}{{ g(1, 2) }}
{% if messages[0].role == 'system' %}s{% elif tools %}t{% else %}e{% endif %}
{% if not tools is none and tools|length > 0 %}t{% endif %}
{% if (messages|length) % 2 == 1 and loop is not defined %}odd{% endif %}
{% if messages[0]['role'] == 'system' and messages[0]['content'] is string %}{% set s = messages[0]['content']|trim %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ s }}{{ rest|length }}
{% if 'a' in {'a': 1} and nothing is not defined or 1/0 %}y{% endif %}
{% raw %}{{ x }}{% if %}{% endraw %}
{%- raw -%} {{ x }} {%- endraw -%}
{% raw %}\n x {% endraw %}\n y
a {%- raw %}\n x\n{%- endraw -%}\n y
  {% raw %}  {{ '{% raw %}' }} {% endraw %}|{{ '{% raw %}' }}\nx{# {% raw %} #}\n
{# a #}x{#- b -#} y{# {% generation %} #}
a\n  {% if true %}\nb\n  {% endif %}\nc\n
a\n    {%+ if true %}b{% endif +%}\nc
a  \n\n{%- if true -%}  \n\n b {%- endif %}
a\n   {# c #}\nb
a\n   {{ 'x' }}\nb
a\n   {{- 'x' -}}\n   b
\t{% if true %}x{% endif %}\n
{% if true %}\n\n x{% endif %}\n\ny
x\n
x\n\n
x\r\ny\rz\r\n
{% for m in messages %}\r\n{{ m.role }}\r\n{% endfor %}\r\nend
{{ 'a\r\nb' }}
{{ 'a\nb' }}
{% generation %}{{ messages[0].role }}{% endgeneration %}\nx
{%- generation -%}\n  a\n{%- endgeneration -%}\nx
  {% generation %}\n  a\n  {% endgeneration %}\nx
{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}
{{ '{% generation %}' }}{{ "{% endgeneration %}" }}{{ '%}' }}
{% if '%}' == '%}' %}y{% endif %}{{ '{{' }}{{ '}}' }}{{ '{#' }}
{"a": {{ messages[0].content|tojson }}}
{{ {'a': {'b': 1}} }}{{ {} }}{{ {'a': {}} }}
{{ '%s' % 'a' }}{% if '%s' % 1 == '1' %}y{% endif %}{% set x = '%d' % 3 %}{{ x }}{% for i in range(7 % 4) %}{{ i % 2 }}{% endfor %}
{% set x = 'a' ~ 'b' ~ 1.0 %}{{ x ~ x }}{{ ('a' ~ 'b')|upper ~ 'c' }}{{ 'a' ~ 'b'|upper }}
{{ messages[0].content.strip() }}{{ messages[0]['content'].strip().split(' ')[0] }}{{ messages[0].content|trim|length }}
{{ messages[2].tool_calls[0].function.arguments }}
{{ messages[2].tool_calls[0].function.arguments|tojson }}
{{ messages[4].content }}
{% for p in messages[4].content %}{% if p.type == 'text' %}{{ p['text'] }}{% elif p.type == 'image' %}<i>{% endif %}{% endfor %}
{% set content = messages[4].content %}{% if content is string %}s{% elif content is iterable and content is not mapping %}i{% else %}o{% endif %}
{% for name, p in tools[0].function.parameters.properties.items() %}{{ name }}: {{ p.type }}{{ p.type is string }}{% if p.enum %} {{ p.enum|join('|') }}{% endif %}{% if name in tools[0].function.parameters.required %}!{% endif %}{{ p.default is defined }};{% endfor %}
{{ tools[0].function.parameters.properties.to.keys()|list }}{{ tools[0]['function']['parameters']|length }}
{% autoescape true %}{{ '<a>' }}{{ '<b>'|safe }}{% endautoescape %}{{ '<c>' }}
{% block a %}b{{ messages|length }}{% endblock %}
{% do messages %}
{% import 'x' as y %}
{% include 'x' %}
{% extends 'x' %}
{% unknown %}
{{ 1 +
2 }}
{{ messages[0].role if messages else 'x'
}}{% if messages
 %}a{% endif %}
{{ (messages[0].role) }}{{ ((1)) }}{{ [1,2,] }}{{ {'a': 1,} }}{{ (1,) }}{{ f(1,) if false }}
{{ {'a': 1}.a + {'b': 2}['b'] }}{{ -messages|length }}{{ not messages|length }}
{{ 'a' if messages[0].role == 'system' and not (tools and false) else 'b' }}{{ 'x' 'y' ~ 'z' }}
{% set bos_token = 'x' %}{{ bos_token }}
{% set messages = messages[1:] %}{{ messages|length }}
{% set system = messages|selectattr('role', 'equalto', 'system')|list %}{% if system %}{{ system[0].content }}{% endif %}
{% set last = messages|map(attribute='role')|list %}{{ last[-1] }}{{ last.index('tool') }}
{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ loop.index }}{% endif %}{% endfor %}
{% for m in messages | rejectattr('role', 'equalto', 'system') %}{{ loop.index0 % 2 == 0 }}{% endfor %}
{% set f = 'x'.join %}
{{ [1, 2, 3] | map('string') | map('upper') | join(', ') }}{{ messages | map(attribute='role') | unique | join(' ') }}
{%- set x = namespace(a=1) -%}{%- set x.a = x.a * 2 -%}{{ x.a }}{{ x }}
{{ loop }}
{{ super() }}
{% if x %}
{{ 'a
{{ ) }}
{% for %}
{{ a b }}
{% endif %}
{% set 1 = 2 %}
{{ [1, 2 }}
""".strip("\n")


# Where the two are known to differ, after the documentation of `ChatTemplate`.
KNOWN = {
    "`str.format` knows neither conversions nor percent": ["'{!r}'.format('a')", "'{:+d} {:e} {:%}'.format(3, 12345.678, 0.25)"],
    "no names of characters in strings": [r"'\N{BULLET}'"],
    "filters that make pages of HTML, and those that draw lots": [
        "'http://x.y z'|urlize", "'the quick brown fox'|wordwrap(9)", "'abcdefghij'|wordwrap(4)", r"'a\nb c d'|wordwrap(3)",
        "'the quick-brown fox'|wordwrap(9, break_on_hyphens=false)", "'abcdefghij kl'|wordwrap(4, false)",
        "'ab cd'|wordwrap(2, wrapstring='|')", "[1, 2]|random in [1, 2]", "lipsum is defined"],
    "a part of a range is a list": ["range(4)[1:]"],
    "`cycler` has no `current`": ["cycler('a', 'b').current"],
    "no plus before a number": ["+3"],
    "where Python raises for a kind of value, there is an answer": ["nothing < 1", "nothing in 'abc'", "nothing[0:1]", "none < 1"],
    "no `self`": ["self is defined"],
    "a method that is not called is not there": ["'a'.upper is defined", "messages[0].items is defined"],
    "Python prints where a generator is in memory": ["[1, 2]|map('add', 1)"],
    "a namespace takes all names": ["{% set ns = namespace(_x=1) %}{{ ns._x }}"],
    "arguments of a macro are a list": ["{% macro f(a) %}{{ f.name }}{{ f.arguments }}{% endmacro %}{{ f(1) }}{{ f is callable }}"],
}


def known(template):
    """Why a template is known to be rendered otherwise, or None."""
    inner = template.removeprefix("{{ ").removesuffix(" }}")
    return next((why for why, those in KNOWN.items() if inner in those or template in those), None)


def statements():
    out, pending = [], ""
    for line in STATEMENTS.splitlines():
        pending = pending + "\n" + line if pending else line
        # A line that leaves an expression open on purpose goes on in the next.
        if pending.endswith(("{{ 1 +", "'x'", "messages")) and pending.startswith(("{{ 1 +", "{{ messages[0].role if", "{{ messages[0].role if")):
            continue
        out.append(pending.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t") if "'a\\" not in pending else pending)
        pending = ""
    return out


def expressions():
    """All templates, each of one expression or statement."""
    out = []
    for table in (STRINGS, CONTAINERS, VALUES):
        for line in "\n".join(table).replace("\\\nb'", "\\\\nb'").splitlines():
            out += ["{{ %s }}" % part for part in split(line)]
    return out + statements()


def split(line):
    """The parts between bars with spaces around them that stand outside of strings; a filter's bar has none."""
    parts, quote, begin, i, depth = [], None, 0, 0, 0
    while i < len(line):
        c = line[i]
        if quote:
            i += c == "\\"
            quote = None if c == quote else quote
        elif c in "'\"":
            quote = c
        elif line.startswith(" | ", i):
            parts.append(line[begin:i])
            begin = i + 3
        i += 1
    return parts + [line[begin:]]
