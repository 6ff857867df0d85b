"""Stripe's objects (https://docs.stripe.com/api), the table of each and where its columns stand in the object."""

from __future__ import annotations

from dataclasses import dataclass

from hookspecs.mirror import Mirror, Source, Within, at, reference, unix


def _mirror(table: str, *within: Within, **columns: Source) -> Mirror:
    return Mirror(f"np_stripe_{table}", {"id": "id", **columns}, within=within)


def _same(*names: str) -> dict[str, Source]:
    """Columns named as the fields are."""
    return {name: name for name in names}


def _ids(*names: str) -> dict[str, Source]:
    """Columns that hold the id of another object, which Stripe may send expanded."""
    return {name: reference(name) for name in names}


def _times(*names: str) -> dict[str, Source]:
    return {name: unix(name) for name in names}


DISCOUNTS = _mirror(
    "discounts",
    **_ids("customer", "coupon", "promotion_code"),
    **_same("subscription", "invoice", "invoice_item"),
    **_times("start"),
    ends=unix("end"),
)
SUBSCRIPTION_ITEMS = _mirror(
    "subscription_items",
    **_ids("price"),
    **_same("subscription", "quantity", "metadata"),
    **_times("created"),
    product=reference("price.product"),
)
CUSTOMERS = _mirror(
    "customers",
    Within("discount", DISCOUNTS),
    **_same("email", "name", "phone", "description", "currency", "balance", "delinquent", "metadata", "livemode"),
    **_times("created"),
    country="address.country",
    default_payment_method=reference("invoice_settings.default_payment_method"),
)
PRODUCTS = _mirror(
    "products",
    **_ids("default_price"),
    **_same("name", "description", "active", "metadata", "livemode"),
    **_times("created"),
)
PRICES = _mirror(
    "prices",
    **_ids("product"),
    **_same("active", "currency", "unit_amount", "type", "billing_scheme", "lookup_key", "nickname", "metadata", "livemode"),
    **_times("created"),
    recurring_interval="recurring.interval",
    recurring_interval_count="recurring.interval_count",
)
COUPONS = _mirror(
    "coupons",
    **_same(
        "name",
        "amount_off",
        "currency",
        "percent_off",
        "duration",
        "duration_in_months",
        "max_redemptions",
        "times_redeemed",
        "valid",
        "metadata",
        "livemode",
    ),
    **_times("redeem_by", "created"),
)
PROMOTION_CODES = _mirror(
    "promotion_codes",
    **_ids("coupon", "customer"),
    **_same("code", "active", "max_redemptions", "times_redeemed", "metadata", "livemode"),
    **_times("expires_at", "created"),
)
SUBSCRIPTIONS = _mirror(
    "subscriptions",
    Within("items.data", SUBSCRIPTION_ITEMS, "subscription", lambda one: not at(one, "items.has_more")),
    Within("discount", DISCOUNTS),
    Within("discounts", DISCOUNTS),
    **_ids("customer", "default_payment_method", "latest_invoice"),
    **_same("status", "currency", "cancel_at_period_end", "collection_method", "metadata", "livemode"),
    **_times(
        "current_period_start",
        "current_period_end",
        "cancel_at",
        "canceled_at",
        "ended_at",
        "trial_start",
        "trial_end",
        "created",
    ),
)
SUBSCRIPTION_SCHEDULES = _mirror(
    "subscription_schedules",
    **_ids("customer", "subscription"),
    **_same("status", "end_behavior", "phases", "metadata", "livemode"),
    **_times("canceled_at", "completed_at", "released_at", "created"),
)
INVOICES = _mirror(
    "invoices",
    Within("discounts", DISCOUNTS),
    **_ids("customer", "subscription", "charge", "payment_intent"),
    **_same(
        "number",
        "status",
        "currency",
        "amount_due",
        "amount_paid",
        "amount_remaining",
        "subtotal",
        "total",
        "tax",
        "attempt_count",
        "billing_reason",
        "collection_method",
        "hosted_invoice_url",
        "invoice_pdf",
        "metadata",
        "livemode",
    ),
    **_times("due_date", "period_start", "period_end", "created"),
    paid_at=unix("status_transitions.paid_at"),
)
INVOICE_ITEMS = _mirror(
    "invoice_items",
    **_ids("customer", "invoice", "subscription", "price"),
    **_same("amount", "currency", "quantity", "description", "proration", "metadata", "livemode"),
    period_start=unix("period.start"),
    period_end=unix("period.end"),
    created=unix("date"),
)
CREDIT_NOTES = _mirror(
    "credit_notes",
    **_ids("customer", "invoice"),
    **_same("number", "status", "type", "reason", "currency", "amount", "total", "metadata", "livemode"),
    **_times("created"),
)
CHARGES = _mirror(
    "charges",
    **_ids("customer", "invoice", "payment_intent", "payment_method", "balance_transaction"),
    **_same(
        "status",
        "currency",
        "amount",
        "amount_captured",
        "amount_refunded",
        "paid",
        "captured",
        "refunded",
        "disputed",
        "failure_code",
        "failure_message",
        "receipt_email",
        "receipt_url",
        "description",
        "metadata",
        "livemode",
    ),
    **_times("created"),
)
REFUNDS = _mirror(
    "refunds",
    **_ids("charge", "payment_intent", "balance_transaction"),
    **_same("status", "reason", "currency", "amount", "failure_reason", "metadata"),
    **_times("created"),
)
DISPUTES = _mirror(
    "disputes",
    **_ids("charge", "payment_intent"),
    **_same("status", "reason", "currency", "amount", "is_charge_refundable", "metadata", "livemode"),
    **_times("created"),
    evidence_due_by=unix("evidence_details.due_by"),
)
PAYMENT_INTENTS = _mirror(
    "payment_intents",
    **_ids("customer", "invoice", "payment_method", "latest_charge"),
    **_same(
        "status",
        "currency",
        "amount",
        "amount_received",
        "amount_capturable",
        "capture_method",
        "confirmation_method",
        "cancellation_reason",
        "description",
        "receipt_email",
        "metadata",
        "livemode",
    ),
    **_times("canceled_at", "created"),
)
SETUP_INTENTS = _mirror(
    "setup_intents",
    **_ids("customer", "payment_method"),
    **_same("status", "usage", "cancellation_reason", "metadata", "livemode"),
    **_times("created"),
)
PAYMENT_METHODS = _mirror(
    "payment_methods",
    **_ids("customer"),
    **_same("type", "metadata", "livemode"),
    **_times("created"),
    card_brand="card.brand",
    card_last4="card.last4",
    card_exp_month="card.exp_month",
    card_exp_year="card.exp_year",
    billing_email="billing_details.email",
    billing_name="billing_details.name",
)
BALANCE_TRANSACTIONS = _mirror(
    "balance_transactions",
    **_ids("source"),
    **_same("type", "status", "currency", "amount", "fee", "net", "description", "exchange_rate"),
    **_times("available_on", "created"),
)
PAYOUTS = _mirror(
    "payouts",
    **_ids("destination", "balance_transaction"),
    **_same(
        "status", "type", "method", "currency", "amount", "automatic", "failure_code", "failure_message", "metadata", "livemode"
    ),
    **_times("arrival_date", "created"),
)
CHECKOUT_SESSIONS = _mirror(
    "checkout_sessions",
    **_ids("customer", "payment_intent", "setup_intent", "subscription", "invoice"),
    **_same(
        "client_reference_id",
        "mode",
        "status",
        "payment_status",
        "currency",
        "amount_subtotal",
        "amount_total",
        "metadata",
        "livemode",
    ),
    **_times("expires_at", "created"),
    customer_email="customer_details.email",
)
TAX_IDS = _mirror(
    "tax_ids",
    **_ids("customer"),
    **_same("type", "value", "country", "livemode"),
    **_times("created"),
    verification_status="verification.status",
)
TAX_RATES = _mirror(
    "tax_rates",
    **_same(
        "display_name",
        "description",
        "jurisdiction",
        "country",
        "state",
        "percentage",
        "inclusive",
        "active",
        "tax_type",
        "metadata",
        "livemode",
    ),
    **_times("created"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object: ``type`` as Stripe calls it, ``path`` of its list in the API, and parameters of that list.

    ``path`` with ``{customer}`` is listed for each customer. ``whole``: the list shows every object there is, so that what it
    does not show is gone.
    """

    type: str
    mirror: Mirror
    path: str
    query: tuple[tuple[str, str], ...] = ()
    whole: bool = False

    @property
    def name(self) -> str:
        """As the table is named."""
        return self.mirror.table.removeprefix("np_stripe_")


#: In the order of a sync: what others refer to comes first.
KINDS = (
    Kind("product", PRODUCTS, "products", whole=True),
    Kind("price", PRICES, "prices"),
    Kind("coupon", COUPONS, "coupons", whole=True),
    Kind("promotion_code", PROMOTION_CODES, "promotion_codes"),
    Kind("tax_rate", TAX_RATES, "tax_rates"),
    Kind("customer", CUSTOMERS, "customers", (("expand[]", "data.discount"),), whole=True),
    Kind("tax_id", TAX_IDS, "customers/{customer}/tax_ids"),
    Kind("payment_method", PAYMENT_METHODS, "customers/{customer}/payment_methods"),
    Kind("subscription", SUBSCRIPTIONS, "subscriptions", (("status", "all"), ("expand[]", "data.discounts"))),
    Kind("subscription_schedule", SUBSCRIPTION_SCHEDULES, "subscription_schedules"),
    Kind("invoice", INVOICES, "invoices", (("expand[]", "data.discounts"),)),
    Kind("invoiceitem", INVOICE_ITEMS, "invoiceitems"),
    Kind("credit_note", CREDIT_NOTES, "credit_notes"),
    Kind("payment_intent", PAYMENT_INTENTS, "payment_intents"),
    Kind("setup_intent", SETUP_INTENTS, "setup_intents"),
    Kind("charge", CHARGES, "charges"),
    Kind("refund", REFUNDS, "refunds"),
    Kind("dispute", DISPUTES, "disputes"),
    Kind("balance_transaction", BALANCE_TRANSACTIONS, "balance_transactions"),
    Kind("payout", PAYOUTS, "payouts"),
    Kind("checkout.session", CHECKOUT_SESSIONS, "checkout/sessions"),
)

#: By the ``object`` field, also those that only come inside others or in events.
MIRRORS = {kind.type: kind.mirror for kind in KINDS} | {"discount": DISCOUNTS, "subscription_item": SUBSCRIPTION_ITEMS}
