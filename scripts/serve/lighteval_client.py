"""lighteval as a client of `gac serve`: its litellm endpoint asks, and the same chats go through `gac generate`.

    pip install 'lighteval[litellm]==0.13.0' 'litellm[caching]<1.80'    # it opens a kind of cache that newer ones lack
    cargo build --release
    python scripts/serve/lighteval_client.py

Every answer must be `gac generate`'s. Exits with 1 when anything differs.
"""

import argparse
import importlib.metadata
import json
import logging
import os
import sys
import tempfile
import urllib.request

# Nothing is fetched: neither prices of models nor models.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}

from generated import STOPS, SYSTEMS, TOKENS, arguments, generated, prompts
from running import serving


def theirs(address, name, texts, folder):
    """What lighteval asks, and what it holds of each answer."""
    # It opens a cache of answers where it is imported.
    here = os.getcwd()
    os.chdir(folder)
    import litellm
    from lighteval.models.endpoints.litellm_model import LiteLLMClient, LiteLLMModelConfig
    from lighteval.models.model_input import GenerationParameters
    from lighteval.tasks.requests import Doc, SamplingMethod

    os.chdir(here)
    # Another system's answers are none of this one.
    litellm.cache = None
    config = LiteLLMModelConfig(
        model_name=f"openai/{name}",
        provider="openai",
        base_url=f"{address}/v1",
        api_key="none",
        max_model_length=2048,
        concurrent_requests=16,
        api_max_retry=1,
        cache_dir=os.path.join(folder, name.replace("/", "_")),
        generation_parameters=GenerationParameters(temperature=0, frequency_penalty=0, presence_penalty=0, seed=1),
    )
    docs = [
        Doc(
            id=str(at),
            task_name="ours",
            query=text,
            choices=["3"],
            gold_index=0,
            generation_size=TOKENS,
            stop_sequences=STOPS,
            sampling_methods=[SamplingMethod.GENERATIVE],
        )
        for at, text in enumerate(texts)
    ]
    client = LiteLLMClient(config)
    client.DATASET_SPLITS = 1
    return client.greedy_until(docs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        texts = prompts(args, folder)
        for name, system in SYSTEMS.items():
            template, expected = generated(args, folder, system, texts)
            with serving(args.gac, *system, "--chat-template", template) as (address, _):
                with urllib.request.urlopen(f"{address}/v1/models") as reply:
                    served = json.load(reply)["data"][0]["id"]
                answers = theirs(address, served, texts, folder)
            asked = [[message["content"] for message in answer.input] for answer in answers]
            wrong = [at for at, text in enumerate(texts) if asked[at] != [text] or answers[at].text != [expected[at]["text"]]]
            for at in wrong[:3]:
                print(f"{name}, {at}: {answers[at]} in place of {expected[at]}", file=sys.stderr)
            different += len(wrong)
            version = importlib.metadata.version("lighteval")
            print(f"lighteval {version}, {name}: {len(texts) - len(wrong)} of {len(texts)} equal", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
