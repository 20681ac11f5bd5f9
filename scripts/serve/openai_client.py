"""The openai Python package as a client of `gac serve`: models, completions, chats, streams, log-probabilities, errors.

    pip install openai
    cargo build --release
    python scripts/serve/openai_client.py

Exits with an error at the first thing that is not as it should be.
"""

import argparse
import tempfile
from pathlib import Path

import openai
from running import serving

QUESTION = "Question: How many cups are 3 cups and 4 cups?\nAnswer:"
TEMPLATE = "{% for m in messages %}{{ m.content }}{{ '\n' }}{% endfor %}"
MODELS = ["models/mini-llama", "models/mini-qwen"]


def check(client):
    names = [model.id for model in client.models.list()]
    assert len(names) == 3, names
    ensemble = names[0]

    whole = client.completions.create(model=ensemble, prompt=QUESTION, max_tokens=12, logprobs=3, temperature=0)
    (choice,) = whole.choices
    assert whole.usage.completion_tokens == len(choice.logprobs.tokens) <= 12
    assert all(len(top) in (3, 4) for top in choice.logprobs.top_logprobs)
    assert all(p == max(top.values()) for p, top in zip(choice.logprobs.token_logprobs, choice.logprobs.top_logprobs))
    parts = client.completions.create(
        model=ensemble, prompt=QUESTION, max_tokens=12, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    text, usage = "", None
    for part in parts:
        text += "".join(choice.text for choice in part.choices)
        usage = part.usage or usage
    assert (text, usage) == (choice.text, whole.usage), (text, choice.text)

    several = client.completions.create(model=ensemble, prompt=[QUESTION, QUESTION], n=2, temperature=2, seed=1, max_tokens=8)
    again = client.completions.create(model=ensemble, prompt=[QUESTION, QUESTION], n=2, temperature=2, seed=1, max_tokens=8)
    assert [choice.text for choice in several.choices] == [choice.text for choice in again.choices]
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]

    messages = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(
        model=ensemble, messages=messages, max_completion_tokens=8, logprobs=True, top_logprobs=2, temperature=0
    )
    (choice,) = answer.choices
    assert choice.message.role == "assistant" and choice.message.content is not None
    assert all(len(token.top_logprobs) == 2 for token in choice.logprobs.content)
    with client.chat.completions.create(
        model=ensemble, messages=messages, max_completion_tokens=8, temperature=0, stream=True
    ) as stream:
        deltas = [part.choices[0] for part in stream]
    assert "".join(delta.delta.content or "" for delta in deltas) == choice.message.content
    assert deltas[-1].finish_reason == choice.finish_reason

    traced = client.completions.create(
        model=ensemble, prompt=QUESTION, max_tokens=4, extra_body={"gac": {"trace": True, "gate": "mini-llama", "threshold": 0.5}}
    )
    steps = traced.choices[0].gac["steps"]
    assert all(len(step["members"]) == 2 for step in steps), steps

    for error, wanted in [
        (openai.NotFoundError, dict(model="none", prompt="x")),
        (openai.BadRequestError, dict(model=ensemble, prompt="x", logit_bias={"1": 5})),
        (openai.BadRequestError, dict(model=ensemble, prompt="x", temperature=-1)),
    ]:
        try:
            client.completions.create(**wanted)
        except error as refusal:
            assert refusal.param in ("model", "logit_bias", "temperature"), refusal
        else:
            raise AssertionError(f"{wanted} was answered")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gac", default="target/release/gac")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.jinja"
        template.write_text(TEMPLATE)
        with serving(args.gac, "--model", MODELS[0], "--model", MODELS[1], "--chat-template", template) as (address, _):
            check(openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0))
    print("openai", openai.__version__, "reads all of it")


if __name__ == "__main__":
    main()
