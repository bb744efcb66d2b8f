"""Chat templates in the shapes that real ones have, written for these tests."""

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}")

# Roles take turns; the system's words go into the first user's (the shape of Llama 2 and Mistral).
TURNS = """\
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = none %}
    {%- set turns = messages %}
{%- endif %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must take turns: user, assistant, user, ...') }}
    {%- endif %}
    {%- if turn.role == 'user' %}
        {{- '[INST] ' + (('<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n') if system and loop.first else '')
            + turn.content | trim + ' [/INST]' }}
    {%- elif turn.role == 'assistant' %}
        {{- ' ' ~ turn.content | trim ~ ' ' ~ eos_token }}
    {%- else %}
        {{- raise_exception('Unknown role ' ~ turn.role) }}
    {%- endif %}
{%- endfor %}
"""

# Headers around roles, tools as JSON, a date (the shape of Llama 3).
HEADERS = """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{#- The first message may be the system's. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today: " + date_string + "\\n" }}
{%- if tools is not none %}
    {{- "You may call these functions.\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time, please.") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

# Thoughts of earlier turns are left out, found from behind (the shape of Qwen 3 and DeepSeek).
THOUGHTS = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '<tool_call>\\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
            {%- if tool_call.arguments is string %}
                {{- tool_call.arguments }}
            {%- else %}
                {{- tool_call.arguments | tojson }}
            {%- endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' ~ content ~ '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""

# The assistant is called model; contents may be lists of parts (the shape of Gemma 3).
PARTS = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate") }}
    {%- endif -%}
    {%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
"""

# One line for each role, end tokens (the shapes of Zephyr and Phi 3).
LINES = """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

# Macros, selections and a call of a macro with a body (the shapes of Command R, Granite, Hermes).
MACROS = """\
{%- macro type_of(schema, nullable=true) -%}
  {%- if schema.type is string -%}
    {%- set known = {"string": "str", "integer": "int", "array": "list"} -%}
    {{- known.get(schema.type, "any") -}}{{- " | null" if nullable and schema.nullable -}}
  {%- elif schema.type is iterable -%}
    {%- for type in schema.type -%}{{ type_of({"type": type}, nullable=false) }}{{ "|" if not loop.last }}{%- endfor -%}
  {%- else -%}
    {{- "any" -}}
  {%- endif -%}
{%- endmacro -%}
{%- macro framed(role) -%}
<<{{ role | upper }}>>{{ caller() }}<</{{ role | upper }}>>
{% endmacro -%}
{%- set others = messages | rejectattr("role", "equalto", "system") | list -%}
{%- for m in messages if m.role == "system" %}
{{ "S" ~ loop.index ~ "/" ~ loop.length ~ ": " ~ m.content }}
{% endfor %}
{%- if tools -%}
Functions: {{ tools | map(attribute="function.name") | join(", ") }}
{% for tool in tools -%}
{{ loop.index }}. {{ tool.function.name }}(
{%- for name, schema in tool.function.parameters.properties.items() -%}
{{ name }}: {{ type_of(schema) }}{{ "" if name in tool.function.parameters.required else " = None" }}{{ ", " if not loop.last }}
{%- endfor -%}
) -> {{ tool.function.return | default("any") }}
{% endfor %}
{%- endif -%}
{%- for m in others %}
{% call framed(m.role) %}{{ m.content if m.content is not none else "(nothing)" }}{% endcall %}
{%- else %}
nobody spoke
{%- endfor -%}
{%- if documents %}{% for d in documents %}
[{{ loop.index0 }}] {{ d.title | title }}: {{ d["text"] | replace("\\n", " ") | truncate(40) }}
{%- endfor %}{% endif %}
{%- filter trim %}  {{ others | length }} turns, {{ others | selectattr("role", "in", ["user"]) | list | length }} of the user  {% endfilter %}
{% generation %}{{ "last: " ~ (others | last).content[:8] if others }}{% endgeneration %}
"""

# What surrounds tags: signs, comments, raw text, line breaks.
SPACES = """\
  {% if true %}
    kept {{ 1 }}
  {% endif %}
{%+ if true %} plus {%+ endif %}
	{#- gone -#}
 x {{- " y " -}} z
{% raw %}{{ as it is }} {% endraw %}
{%- for n in range(7) -%}
  {%- if n == 1 %}{% continue %}{% endif -%}
  {%- if n > 4 %}{% break %}{% endif -%}
  {{ loop.cycle("a", "b") }}{{ n }}{{ "," if not loop.last }}
{%- endfor %}

{% set box %}
  in a box: {{ messages[-1]["content"] }}
{% endset %}
{{ box | trim | indent(2) }} {{ [1, 2.0, none, true, "it's"] }} {{ {"k": (1,)} }} {{ 7 // 2 }}{{ -7 % 3 }} {{ 1e20 }} {{ "é🙂"[::-1] }}
{{ missing }}{{ missing is defined }}{{ (missing | default("d")) ~ 1 }}

"""

TEMPLATES = {
    "chatml": CHATML, "turns": TURNS, "headers": HEADERS, "thoughts": THOUGHTS, "parts": PARTS,
    "lines": LINES, "macros": MACROS, "spaces": SPACES,
}
