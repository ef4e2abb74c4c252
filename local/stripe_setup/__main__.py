"""Makes a Stripe account sell what plans.toml says, and changes nothing where it does already."""

import argparse
import os
import sys

import stripe

from local.stripe_setup.setup import StripeSetup
from tollgate import catalogue
from tollgate.settings import Settings, SettingsError


def main() -> int:
    parser = argparse.ArgumentParser(prog="make stripe-setup", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would be")
    dry_run: bool = parser.parse_args().dry_run
    settings = Settings(os.environ)
    try:
        key = settings.required("STRIPE_SECRET_KEY")
        url = settings.optional("WEBHOOK_URL")
        if url is None:
            if settings.public_url is None:
                raise SettingsError("Neither PUBLIC_URL nor WEBHOOK_URL is set")
            url = f"{settings.public_url}/webhooks/stripe"
        base = settings.optional("STRIPE_API_BASE")
        client = stripe.StripeClient(
            key, max_network_retries=2, base_addresses={"api": base} if base else {}
        )
        setup = StripeSetup(client, print, dry_run=dry_run)
        secret = setup.run(catalogue.load(settings.plans).plans.values(), url)
    except (SettingsError, catalogue.CatalogueError, stripe.StripeError) as error:
        print(f"stripe-setup: {error}", file=sys.stderr)
        return 1
    mode = "live" if "_live_" in key else "test"
    print(f"stripe-setup: {setup.changes} changes in the account's {mode} mode")
    if secret:
        _tell(secret, os.environ.get("ENV") or "preview")
    return 0


def _tell(secret: str, environment: str) -> None:
    """The only place where the secret is ever seen."""
    path = f"/tollgate/{environment}/STRIPE_WEBHOOK_SECRET"
    put = "aws ssm put-parameter --type SecureString --overwrite"
    print(
        "\nStripe shows the endpoint's signing secret only now. Put it where the webhook looks:\n"
    )
    print(f"{put} \\\n  --name {path} --value {secret}")


if __name__ == "__main__":
    sys.exit(main())
