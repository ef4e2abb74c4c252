"""Transforms the template, lints the result, holds it to the rules; any finding fails the check."""

import sys

from tests.deployment.rules import RULES, breaches
from tests.deployment.template import Template, findings


def main() -> int:
    template = Template.read()
    found = [*findings(template), *breaches(template)]
    for each in found:
        print(f"template.yaml: {each}", file=sys.stderr)
    resources = len(template.deployed["Resources"])
    print(
        f"template.yaml: {len(template.folders)} functions, {len(template.paths)} paths, "
        f"{resources} resources, {len(RULES)} rules, {len(found)} findings"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
