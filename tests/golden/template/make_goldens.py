#!/usr/bin/env python3
"""Renders the cases below with Python's jinja2 and writes cases.json, which template_golden_test.cc holds.

    python3 make_goldens.py [--output cases.json]          (needs jinja2 3.1)

Every case runs in the environment of task prompts ("task"), of chat templates ("chat"), or in both.
"""

import argparse
import datetime
import json
import os

import jinja2
import jinja2.ext
import jinja2.sandbox

CONTEXT = {
    "question": " What is 1+1? ",
    "answer": "B",
    "label": 1,
    "price": 3.5,
    "flag": True,
    "nothing": None,
    "choices": ["one", "two", "three"],
    "empty": [],
    "text": "Hello World",
    "chinese": "中文，测试",
    "accents": "Éa ß ñ",
    "markup": "<b>Tom & 'Jerry'</b>",
    "lines": "first\nsecond\n\nfourth",
    "long": "The quick brown fox-hound jumps over the extraordinarily-lazy dog.",
    "record": {"name": "Ann", "age": 30, "tags": ["x", "y"], "items": "shadow"},
    "users": [
        {"name": "bob", "city": "Rome", "age": 20, "ok": True},
        {"name": "Al", "city": "oslo", "age": 30, "ok": False},
        {"name": "cy", "city": "Oslo", "age": 25, "ok": True},
    ],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}, {"v": 5, "kids": []}],
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello\n"}],
}

# Expressions, each rendered as {{ expression }} in both environments.
EXPRESSIONS = r"""
true
none
[true, none, 'a', "it's", 1.0, 2]
1 + 2 * 3
7 // 2
-7 // 2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7 / 2
4 / 2
2 ** 10
2 ** -1
-2 ** 2
2 ** 3 ** 2
1e16
1e15
0.1 + 0.2
1e-5
0.0001
-0.0
123456789.123
1_000
0x1F
0b101
0o17
1.5e3
10 / 3
true + 1
1 == 1.0
1 == true
'a' < 'b'
[1, 2] < [1, 3]
1 < 2 < 3
1 < 2 > 3
1 in [1, 2]
4 not in [1, 2]
'ell' in text
'name' in record
not 1
not (1 and 0)
0 or 'x'
1 and 'y'
'a' ~ 1 ~ none ~ 2.0
'ab' * 3
3 * 'ab'
[1] * 2 + [3]
(1, 2) + (3,)
(1,)
()
[]
{}
{'a': 1, 2: [3], none: (4,)}
'yes' if flag else 'no'
'yes' if label == 2 else 'no' if label == 3 else 'maybe'
choices[0]
choices[-1]
choices[1:]
choices[::-1]
choices[:-1]
choices[5:]
choices[::2]
text[0]
text[-1]
text[1:4]
text[::-1]
text[:5]
chinese[1]
chinese[::-1]
chinese[1:3]
chinese|length
record.name
record['name']
record.age + 1
record.items() | list
record['items']
record.keys() | list
record.values()
record.keys()
record.get('name')
record.get('zip', 'none')
record.get('zip')
record.tags.0
text.upper()
text.lower()
text.swapcase()
text.title()
'hello wORLD'.capitalize()
question.strip()
question.lstrip()
question.rstrip()
'xxaxx'.strip('x')
text.split()
text.split(' ')
'a,b,,c'.split(',')
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a  b c'.split(none, 1)
lines.splitlines()
text.replace('l', 'L')
text.replace('l', 'L', 1)
'abc'.replace('', '-')
text.find('o')
text.find('z')
text.rfind('o')
text.index('W')
text.count('l')
text.startswith('He')
text.startswith(('x', 'H'))
text.endswith('ld')
'-'.join(choices)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'42'.zfill(5)
'-42'.zfill(5)
'ab'.center(5)
'ab'.center(5, '*')
'abc'.center(6, '*')
'ab'.ljust(4) ~ '|'
'ab'.rjust(4, '.')
'abc'.isalpha()
'a1'.isalnum()
'12'.isdigit()
'Abc'.isupper()
'abc'.islower()
' '.isspace()
'Abc Def'.istitle()
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'a\tb'.expandtabs(4)
accents.upper()
accents.lower()
accents
[accents, chinese]
['a\nb', 'tab\t', '\\', "'", '"', "'\""]
'\x41\u4e2d\101\q'
'%s and %d' % ('x', 3)
'%5.2f|%-5s|%05d|%+d|%x|%%' % (3.14159, 'ab', 42, 5, 255)
'%r' % 'a'
'%s' % none
'%(a)s-%(b)03d' % {'a': 'x', 'b': 7}
'%e %g %G' % (12345.678, 0.00001, 1e20)
'%c' % 65
'%.2s' % 'abc'
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format(1, 2)
'{name}!'.format(name='x')
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:.2f} {:5d} {:05d} {:,} {:x} {:#x} {:b} {:e} {:%}'.format(3.14159, 42, 42, 1234567, 255, 255, 5, 12345.678, 0.25)
'{0[name]} {0.age} {1[0]}'.format(record, choices)
'{!r:>6}'.format('a')
'{{}} {}'.format(1)
'{:{w}}'.format('a', w=4) ~ '|'
'{:g} {:.3} {:_}'.format(0.1, 3.14159, 1234567)
['A', 'B'].index(answer)
['A', 'B', 'A'].count('A')
choices.index('two')
[1, 2].copy()
(1, 2).index(2)
5 .bit_length()
price.is_integer()
label is defined
nobody is defined
nobody is undefined
record.zip is defined
1 is odd
2 is even
9 is divisibleby 3
9 is divisibleby(2)
none is none
true is boolean
1 is boolean
1 is integer
true is integer
1.0 is float
1 is number
true is number
'a' is string
record is mapping
choices is sequence
record is sequence
1 is sequence
choices is iterable
1 is iterable
range is callable
text is callable
true is true
false is false
1 is true
'a' is lower
'A' is upper
1 is sameas 1
1 is eq 1
1 is equalto 2
3 is gt 2
3 is greaterthan 4
1 is lessthan 2
1 is le 1
2 is ge 3
1 is ne 2
1 is in [1, 2]
3 is not in [1, 2]
'upper' is filter
'nosuch' is filter
'odd' is test
markup|e is escaped
1 is not none and 2 is even
-5 | abs
-5.5 | abs
choices | length
choices | count
choices | first
choices | last
choices | join(', ')
choices | join
users | join(',', attribute='name')
choices | map('upper') | list
choices | map('replace', 'o', '0') | join(' ')
users | map(attribute='name') | list
users | map(attribute='zip', default='-') | list
users | selectattr('ok') | map(attribute='name') | list
users | selectattr('age', 'gt', 22) | map(attribute='name') | list
users | rejectattr('ok') | map(attribute='name') | list
users | rejectattr('city', 'equalto', 'Oslo') | list | length
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | reject('odd') | list
[0, 1, '', 'a'] | select | list
[3, 1, 2] | sort
[3, 1, 2] | sort(reverse=true)
['b', 'A', 'c'] | sort
['b', 'A', 'c'] | sort(case_sensitive=true)
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='city,age') | map(attribute='name') | list
[1, 2, 2, 1] | unique | list
['a', 'A', 'b'] | unique | list
[1, 5, 3] | min
[1, 5, 3] | max
users | max(attribute='age')
[1, 2, 3] | sum
users | sum(attribute='age')
[0.1, 0.2] | sum
[1] | sum(start=10)
choices | reverse | list
text | reverse
users | groupby('city') | list
users | groupby('city', case_sensitive=true) | map(attribute='grouper') | list
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 0) | list
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
record | dictsort
{'b': 1, 'A': 2} | dictsort
{'b': 1, 'A': 2} | dictsort(true)
{'b': 1, 'A': 2} | dictsort(by='value', reverse=true)
record | items | list
record | list
'abc' | list
'42' | int
'42.7' | int
'x' | int
'x' | int(7)
'0x1f' | int(base=16)
'1_000' | int
' 12 ' | int
3.9 | int
-3.9 | int
none | int
'3.5' | float
'x' | float
'inf' | float
'1e3' | float
3 | float
3.567 | round
3.567 | round(2)
2.5 | round
3.5 | round
2.675 | round(2)
3.2 | round(0, 'ceil')
3.27 | round(1, 'floor')
42 | round
1234 | round(-2)
text | upper
text | lower
'hello' | capitalize
'hello world-foo (bar)' | title
'  x ' | trim
'xxaxx' | trim('x')
text | replace('World', 'There')
123 | replace('2', 'x')
'x' | center(5)
text | truncate(8)
text | truncate(5, true, '', 0)
long | truncate(20)
long | truncate(20, true)
long | wordwrap(20)
long | wordwrap(10)
long | wordwrap(10, false)
lines | wordwrap(6)
long | wordwrap(12, true, '|', false)
long | wordcount
lines | indent
lines | indent(2, true)
lines | indent(2, blank=true)
lines | indent('> ')
markup | e
markup | escape | escape
markup | forceescape
markup | striptags
markup | safe
(markup | e) ~ '<'
(markup | e) + '<'
['<' | e]
text | string
1 | string
'a b&c/d' | urlencode
{'a b': 'c&d', 'e': 1} | urlencode
{'class': 'x', 'id': none, 'n': 1} | xmlattr
1 | filesizeformat
1234 | filesizeformat
1234567 | filesizeformat
1234567 | filesizeformat(true)
'%s-%s' | format('a', 1)
'%(x)s' | format(x=1)
nothing | default('d')
nothing | default('d', true)
nobody | default('d')
nobody | d('e')
record | attr('items') is callable
'a' | attr('zip') is defined
[{'b': 1, 'a': 2}] | pprint
range(5) | list
range(1, 10, 3) | list
range(5, 0, -2) | list
range(3)
range(10)[2:5]
range(10)[-1]
3 in range(5)
dict(a=1, b=2)
dict([('a', 1)], b=2)
namespace(a=1).a
[1, 2, 3][1:][0]
(1, 2, 3)[1]
'a' 'b'
'it' is in text
"a" if false
[1, [2, [3, {'x': (1,)}]]]
record == {'name': 'Ann', 'age': 30, 'tags': ['x', 'y'], 'items': 'shadow'}
users[0].name[0]|upper
choices|map('length')|sum
(choices + ['four'])|length
'a' in {'a': 1}
[1,2,3]|map('string')|join('+')
'b' > 'a' and 'B' < 'a'
1 if not nothing
users|map(attribute='name')|map('upper')|first
messages|selectattr('role', 'equalto', 'user')|list|length
text.split('o')|join('0')
loop is defined
"\n"
'%d%%' % 50
'%d' % 3.9
'%i' % true
'%*d' % (5, 42)
'%s' % [1, 'a']
'%s' % ('a',)
{'a': 1}.get('b', {}).get('c', 3)
[none, true]|select('none')|list
1.0|string
100000000000000000000.0
1e22
1.7976931348623157e308
5e-324
9007199254740993.0
-1 % 5
5 // -2
-5 // 2.0
0 ** 0
1 - -1
- 1
+ 1
"""

# Whole templates, in both environments.
TEMPLATES = [
    "{% for c in choices %}{{ loop.index }}/{{ loop.length }} {{ c }}{{ ', ' if not loop.last }}{% else %}none{% endfor %}",
    "{% for c in choices %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }};{% endfor %}",
    "{% for c in choices %}{{ loop.previtem }}<{{ c }}>{{ loop.nextitem }} {% endfor %}",
    "{% for c in choices %}{{ loop.previtem|default('-') }}<{{ c }}>{{ loop.nextitem|default('-') }} {% endfor %}",
    "{% for c in choices %}{{ loop.cycle('odd', 'even') }} {% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in empty %}x{% else %}none{% endfor %}",
    "{% for x in [1, 2, 3, 4] if x is even %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in [1, 2] if x > 5 %}x{% else %}none{% endfor %}",
    "{% for k, v in record.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in record %}{{ k }} {% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for c in 'a中b' %}[{{ c }}]{% endfor %}",
    "{% for u in users|sort(attribute='age') %}{{ u.name }}{{ loop.length }}{% endfor %}",
    "{% for x in choices|map('upper') %}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for n in tree recursive %}{{ loop.depth }}:{{ n.v }}{% if n.kids %}({{ loop(n.kids) }}){% endif %} {% endfor %}",
    "{% for x in [1,2] %}{% for y in [3,4] %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in [1,2] %}{% set o = loop %}{% for y in [3,4] %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% set x = 1 %}{% for i in [1,2] %}{% set x = i + 10 %}{{ x }} {% endfor %}{{ x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0) %}{% for i in [1,2,3] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} {{ ns }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set x %}a{{ label }}b{% endset %}[{{ x }}]",
    "{% set x | upper | replace('A', 'z') %}abc{% endset %}[{{ x }}]",
    "{% set label = label + 1 %}{{ label }}",
    "{% with a = 1, b = label %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z is defined }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(1, 5) }}",
    "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(4) }}",
    "{% macro m(x) %}[{{ caller(x) }}]{% endmacro %}{% call(v) m(3) %}<{{ v }}>{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in [1,2] %}{% call m() %}{{ i }}{% endcall %}{% endfor %}",
    "{% macro m() %}{{ i is defined }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ g }}{% endmacro %}{% set g = 5 %}{{ m() }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro m(a, b) %}{% endmacro %}{{ m.name }} {{ m.arguments }} {{ m.catch_kwargs }}",
    "{% filter upper %}abc{{ label }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}aac{% endfilter %}",
    "{% if label == 0 %}0{% elif label == 1 %}1{% else %}2{% endif %}",
    "{% if empty %}a{% elif nothing %}b{% else %}c{% endif %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "a{# comment {{ x }} #}b",
    "a\n{#- c -#}\n b",
    "a \n {%- if true -%} \n b \n {%- endif -%} \n c",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%+ if true +%}\n  b\n  {%+ endif %}\nc\n\n",
    "a {{- ' b ' -}} c",
    "x\r\ny\r{{ 1 }}\r\n",
    "{% raw -%}\n  a {{ x }}\n  {%- endraw %}\nb",
    "  {# c #}\n  x",
    "\t{% set a = 1 %}\nx {{ a }}\n",
    "{{ '{{' }} }} %} #}",
    "{{ {'a': {'b': 1}}.a.b }}",
    "{{ '}}' }}{{ \"%}\" }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}",
    "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c",
    "{% print 1, 'a' %}",
    "{% block b %}x{{ label }}{% endblock %}",
    "{% for i in [1] %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}",
    "{% autoescape false %}{{ markup }}{% endautoescape %}",
    "{% if false %}{{ 1|nosuch }}{% endif %}ok",
    "{{ 1|nosuch if false else 'ok' }}",
    "{% for x in range(3) -%}\n{{ x }}\n{%- endfor %}",
    "{% for g, l in users|groupby('city') %}{{ g }}:{{ l|length }} {% endfor %}",
    "{% for g in users|groupby('city') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join('+') }} {% endfor %}",
    "{% set items = [] %}{% for i in [1] %}{% set items = items + [i] %}{% endfor %}{{ items }}",
    "{{ question.strip() }}\nA. {{ choices[0] }}\nB. {{ choices[1] }}\nAnswer: {{ ['A', 'B', 'C'][label] }}",
    "{% set gen = choices|map('upper') %}{{ gen|list }}{{ gen|list }}",
    "{{ messages[-1].content|trim }}{% if messages[0]['role'] == 'system' %}s{% else %}n{% endif %}",
    "{% for m in messages[1:] %}{{ m.role }}{% endfor %}",
    "{% set d = dict(record, zip=1) %}{{ d.zip }}{{ d|length }}",
    "{% for i in range(3) %}{% if loop.first %}{% set q = 1 %}{% endif %}{{ q is defined }}{% endfor %}",
    "{% for loop_item in choices %}{% macro m() %}{{ loop_item }}{% endmacro %}{{ m() }}{% endfor %}",
    # Errors
    "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ [1] + (2,) }}", "{{ none + 1 }}", "{{ 'a' - 1 }}", "{{ -'a' }}",
    "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0 }}", "{{ 1 < 'a' }}", "{{ [1, 'a']|sort }}", "{{ none < 1 }}",
    "{{ 1 in 2 }}", "{{ 1 in 'a' }}", "{{ nobody.x }}", "{{ nobody['x'] }}", "{{ nobody() }}", "{{ nobody + 1 }}",
    "{{ record.zip.code }}", "{{ 1() }}", "{{ 'a'.nosuch() }}", "{{ 'a'|length|length }}", "{{ 5|length }}",
    "{{ choices|map('upper')|length }}", "{{ choices|map('nosuch')|list }}", "{{ choices|select('nosuch')|list }}",
    "{{ choices|map }}x{{ choices|map|list }}", "{% for x in 5 %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in [(1,)] %}{% endfor %}", "{{ choices.index('zzz') }}",
    "{{ 'abc'.index('z') }}", "{{ '%d' % 'a' }}", "{{ '%s %s' % 'a' }}", "{{ '%s' % (1, 2) }}", "{{ '{}'.format() }}",
    "{{ '{a}'.format() }}", "{{ '{:d}'.format('a') }}", "{{ {[1]: 2} }}", "{{ dict(1) }}", "{{ range(1, 2, 0)|list }}",
    "{{ range('a') }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "{{ 'a'.join([1]) }}", "{{ 'a'.split('') }}", "{{ text|truncate(1) }}", "{{ 1|join }}", "{{ text|round }}",
    "{{ 'a'|abs }}", "{{ none|list }}", "{{ 1|first }}", "{{ choices|batch }}", "{{ choices|sum }}", "{{ choices|upper(1) }}",
    "{% set x.y = 1 %}", "{% set record.y = 1 %}", "{{ loop.index }}", "{{ 1|default }}", "{{ text.upper(1) }}",
    "{{ 'x'|indent(first=true, nosuch=1) }}", "{% if %}x{% endif %}", "{% for x %}{% endfor %}", "{{ 1 + }}", "{{ a b }}",
    "{% endif %}", "{% if 1 %}{% endfor %}", "{{ 1 | }}", "{{ 'a }}", "{% set = 1 %}", "{% macro %}{% endmacro %}", "{{ [1, }}",
    "{{ {1} }}", "{{ 1 is }}", "{{ f(a=1, 2) }}", "{% set 1 = 2 %}", "{{ 1|nosuch }}", "{{ 1 is nosuch }}", "{% nosuch %}",
    "{# x", "{% raw %}x", "{{ 1 ! 2 }}", "{{ (1 }}", "{% for x in y %}", "{% call 1 %}{% endcall %}", "{{ 1 if }}",
    "{% for loop in choices %}{% endfor %}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ true is true is true }}",
]

# Both environments know these names, but give other results; each runs in the one named.
CHAT = [
    "{{ record|tojson }}", "{{ record|tojson(indent=2) }}", "{{ chinese|tojson }}", "{{ chinese|tojson(ensure_ascii=true) }}",
    "{{ [1, 2.0, none, true, 'a\"b\\n', {}, []]|tojson }}", "{{ users|tojson(indent=4) }}",
    "{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}", "{{ [1, {'a': 2}]|tojson(separators=(',', ':')) }}",
    "{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}", "{{ markup|tojson }}", "{{ nobody|tojson }}", "{{ range(3)|tojson }}",
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S') }}", "{{ raise_exception('no: \"way\"') }}",
    "{% for x in [1,2,3,4] %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [1] %}{% break %}{% else %}none{% endfor %}", "{% generation %}a{{ label }}\n{% endgeneration %}b",
    "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "{% break %}", "{{ choices.append('x') }}", "{{ record.update({}) }}", "{{ record.pop('name') }}", "{{ choices.sort() }}",
    "{{ nobody }}|{{ nobody|upper }}|{{ nobody|list }}|{{ nobody|length }}|{{ nobody == nobody2 }}|{{ not nobody }}",
    "{{ 'a' ~ nobody ~ 'b' }}", "{% for x in nobody %}x{% else %}none{% endfor %}", "{{ record.zip }}|{{ choices[9] }}|{{ [nobody] }}",
    "{{ 'x' in nobody }}", "{{ nobody in [1] }}", "{{ nobody|int }}", "{{ '%s' % nobody }}", "{{ nobody|join(',') }}",
    "{{ nobody|first }}", "{{ 'a'.__class__ }}", "{{ record.__class__.__name__ }}", "{{ range(100001) }}",
    "{{ nobody is iterable }}{{ nobody is sequence }}{{ nobody is mapping }}{{ nobody is string }}", "{{ choices|last|last }}",
    "{{ empty|first }}|{{ empty|last }}|{{ empty|min }}|{{ 'a' if false }}", "{{ 'x'|regex_replace('x', 'y') }}",
    "{% set tools = none %}{% if tools is not none and tools|length > 0 %}t{% endif %}n",
    "{%- for m in messages %}\n  {%- if m.role == 'user' %}\n    {{- '<u>' + m.content }}\n  {%- else %}\n    {{- m.content|trim }}\n  {%- endif %}\n{%- endfor %}\n",
]
TASK = [
    "{{ record|tojson }}", "{{ markup|tojson }}", "{{ chinese|tojson }}", "{{ users|tojson(2) }}", "{{ 'x1'|regex_replace('\\\\d', 'y') }}",
    "{{ nobody }}", "{{ nobody|upper }}", "{% if nobody %}{% endif %}", "{{ nobody == 1 }}", "{% for x in nobody %}{% endfor %}",
    "{{ [nobody] }}", "{{ nobody|length }}", "{{ record.zip }}", "{{ choices[9] }}", "{{ 'a' if false }}", "{{ empty|first }}",
    "{{ nobody is iterable }}", "{{ nobody is sequence }}", "{{ 1 in [nobody] }}", "{{ 'x' ~ nobody }}", "{{ not nobody }}",
    "{{ nobody and 1 }}", "{{ nobody|default('x')|upper }}", "{{ (nobody or 1)|default(2) }}", "{{ nobody is none }}",
    "{% break %}", "{% generation %}{% endgeneration %}", "{{ raise_exception('x') }}", "a\n", "a\n\n", "{% if true %}\nx\n{% endif %}\n",
    "{% set l = [1] %}{% set _ = l.append(2) %}{{ l }}{% set _ = l.pop(0) %}{{ l }}{% set _ = l.extend([9, 8]) %}{{ l }}",
    "{% set d = {'a': 1} %}{% set _ = d.update({'b': 2}, c=3) %}{{ d }}{{ d.pop('a') }}{{ d.setdefault('z', 5) }}{{ d }}",
    "{{ range(100001)|length }}",
]


class Generation(jinja2.ext.Extension):
    """{% generation %} body {% endgeneration %} renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def chat_environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = datetime.datetime(2025, 7, 10, 12, 0, 0).strftime
    return environment


def task_environment():
    import re

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = lambda text, pattern, repl, count=0: re.sub(pattern, repl, text, count=count)
    return environment


def run(environment, name, source):
    row = {"environment": name, "template": source}
    context = json.loads(json.dumps(CONTEXT))
    try:
        row["expected_output"] = environment.from_string(source).render(**context)
    except Exception as error:
        row["expected_error"] = {"type": type(error).__name__, "message": str(error)}
    return row


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default=os.path.join(here, "cases.json"))
    output = parser.parse_args().output
    environments = {"task": task_environment(), "chat": chat_environment()}
    both = ["{{ " + line + " }}" for line in EXPRESSIONS.splitlines() if line.strip()] + TEMPLATES
    cases = [run(environments[name], name, source) for source in both for name in environments]
    cases += [run(environments["chat"], "chat", source) for source in CHAT]
    cases += [run(environments["task"], "task", source) for source in TASK]
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"made_by": "make_goldens.py with jinja2 " + jinja2.__version__, "context": CONTEXT, "cases": cases},
                  file, ensure_ascii=False, indent=1)
        file.write("\n")
    failed = sum("expected_error" in case for case in cases)
    print(f"{len(cases)} cases, {failed} of them errors")


if __name__ == "__main__":
    main()
