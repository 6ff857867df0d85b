CREATE TABLE np_stripe_customers (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, email text, name text, phone text, description
    text, currency text, balance bigint, delinquent boolean, country text, default_payment_method text, metadata jsonb,
    livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);

CREATE TABLE np_stripe_products (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, name text, description text, active boolean,
    default_price text, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT
    NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_stripe_prices (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, product text, active boolean, currency text,
    unit_amount bigint, type text, billing_scheme text, recurring_interval text, recurring_interval_count bigint, lookup_key
    text, nickname text, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT
    NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_stripe_coupons (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, name text, amount_off bigint, currency text,
    percent_off numeric, duration text, duration_in_months bigint, max_redemptions bigint, times_redeemed bigint, valid
    boolean, redeem_by timestamptz, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of
    timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_stripe_promotion_codes (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, code text, coupon text, customer text, active
    boolean, max_redemptions bigint, times_redeemed bigint, expires_at timestamptz, metadata jsonb, livemode boolean,
    created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY
    (source_account_id, id)
);
CREATE INDEX ON np_stripe_promotion_codes (source_account_id, customer);

CREATE TABLE np_stripe_subscriptions (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, status text, currency text,
    current_period_start timestamptz, current_period_end timestamptz, cancel_at_period_end boolean, cancel_at timestamptz,
    canceled_at timestamptz, ended_at timestamptz, trial_start timestamptz, trial_end timestamptz, default_payment_method
    text, latest_invoice text, collection_method text, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT
    NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_subscriptions (source_account_id, customer);

CREATE TABLE np_stripe_subscription_items (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, subscription text, price text, product text,
    quantity bigint, metadata jsonb, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at
    timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_subscription_items (source_account_id, subscription);

CREATE TABLE np_stripe_subscription_schedules (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, subscription text, status text,
    end_behavior text, canceled_at timestamptz, completed_at timestamptz, released_at timestamptz, phases jsonb, metadata
    jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz,
    PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_subscription_schedules (source_account_id, customer);
CREATE INDEX ON np_stripe_subscription_schedules (source_account_id, subscription);

CREATE TABLE np_stripe_invoices (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, subscription text, number text,
    status text, currency text, amount_due bigint, amount_paid bigint, amount_remaining bigint, subtotal bigint, total
    bigint, tax bigint, attempt_count bigint, billing_reason text, collection_method text, charge text, payment_intent text,
    hosted_invoice_url text, invoice_pdf text, due_date timestamptz, period_start timestamptz, period_end timestamptz,
    paid_at timestamptz, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT
    NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_invoices (source_account_id, customer);
CREATE INDEX ON np_stripe_invoices (source_account_id, subscription);
CREATE INDEX ON np_stripe_invoices (source_account_id, charge);
CREATE INDEX ON np_stripe_invoices (source_account_id, payment_intent);

CREATE TABLE np_stripe_invoice_items (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, invoice text, subscription text,
    price text, amount bigint, currency text, quantity bigint, description text, proration boolean, period_start
    timestamptz, period_end timestamptz, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of
    timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_invoice_items (source_account_id, customer);
CREATE INDEX ON np_stripe_invoice_items (source_account_id, invoice);
CREATE INDEX ON np_stripe_invoice_items (source_account_id, subscription);

CREATE TABLE np_stripe_credit_notes (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, invoice text, number text, status
    text, type text, reason text, currency text, amount bigint, total bigint, metadata jsonb, livemode boolean, created
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_stripe_credit_notes (source_account_id, customer);
CREATE INDEX ON np_stripe_credit_notes (source_account_id, invoice);

CREATE TABLE np_stripe_charges (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, invoice text, payment_intent text,
    payment_method text, balance_transaction text, status text, currency text, amount bigint, amount_captured bigint,
    amount_refunded bigint, paid boolean, captured boolean, refunded boolean, disputed boolean, failure_code text,
    failure_message text, receipt_email text, receipt_url text, description text, metadata jsonb, livemode boolean, created
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);
CREATE INDEX ON np_stripe_charges (source_account_id, customer);
CREATE INDEX ON np_stripe_charges (source_account_id, invoice);
CREATE INDEX ON np_stripe_charges (source_account_id, payment_intent);

CREATE TABLE np_stripe_refunds (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, charge text, payment_intent text,
    balance_transaction text, status text, reason text, currency text, amount bigint, failure_reason text, metadata jsonb,
    created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY
    (source_account_id, id)
);
CREATE INDEX ON np_stripe_refunds (source_account_id, charge);
CREATE INDEX ON np_stripe_refunds (source_account_id, payment_intent);

CREATE TABLE np_stripe_disputes (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, charge text, payment_intent text, status text,
    reason text, currency text, amount bigint, is_charge_refundable boolean, evidence_due_by timestamptz, metadata jsonb,
    livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_disputes (source_account_id, charge);
CREATE INDEX ON np_stripe_disputes (source_account_id, payment_intent);

CREATE TABLE np_stripe_payment_intents (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, invoice text, payment_method text,
    latest_charge text, status text, currency text, amount bigint, amount_received bigint, amount_capturable bigint,
    capture_method text, confirmation_method text, cancellation_reason text, canceled_at timestamptz, description text,
    receipt_email text, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT
    NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_payment_intents (source_account_id, customer);
CREATE INDEX ON np_stripe_payment_intents (source_account_id, invoice);

CREATE TABLE np_stripe_setup_intents (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, payment_method text, status text,
    "usage" text, cancellation_reason text, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL,
    as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_setup_intents (source_account_id, customer);

CREATE TABLE np_stripe_payment_methods (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, type text, card_brand text,
    card_last4 text, card_exp_month bigint, card_exp_year bigint, billing_email text, billing_name text, metadata jsonb,
    livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_payment_methods (source_account_id, customer);

CREATE TABLE np_stripe_balance_transactions (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, source text, type text, status text, currency text,
    amount bigint, fee bigint, net bigint, description text, exchange_rate numeric, available_on timestamptz, created
    timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id,
    id)
);

CREATE TABLE np_stripe_payouts (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, destination text, balance_transaction text, status
    text, type text, "method" text, currency text, amount bigint, automatic boolean, failure_code text, failure_message
    text, arrival_date timestamptz, metadata jsonb, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of
    timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);

CREATE TABLE np_stripe_discounts (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, subscription text, invoice text,
    invoice_item text, coupon text, promotion_code text, "start" timestamptz, ends timestamptz, data jsonb NOT NULL, as_of
    timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_discounts (source_account_id, customer);
CREATE INDEX ON np_stripe_discounts (source_account_id, subscription);
CREATE INDEX ON np_stripe_discounts (source_account_id, invoice);

CREATE TABLE np_stripe_checkout_sessions (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, customer_email text, payment_intent
    text, setup_intent text, subscription text, invoice text, client_reference_id text, mode text, status text,
    payment_status text, currency text, amount_subtotal bigint, amount_total bigint, expires_at timestamptz, metadata jsonb,
    livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_checkout_sessions (source_account_id, customer);
CREATE INDEX ON np_stripe_checkout_sessions (source_account_id, payment_intent);
CREATE INDEX ON np_stripe_checkout_sessions (source_account_id, subscription);
CREATE INDEX ON np_stripe_checkout_sessions (source_account_id, invoice);

CREATE TABLE np_stripe_tax_ids (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, customer text, type text, value text, country text,
    verification_status text, livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL,
    deleted_at timestamptz, PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_tax_ids (source_account_id, customer);

CREATE TABLE np_stripe_tax_rates (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, display_name text, description text, jurisdiction
    text, country text, state text, percentage numeric, inclusive boolean, active boolean, tax_type text, metadata jsonb,
    livemode boolean, created timestamptz, data jsonb NOT NULL, as_of timestamptz NOT NULL, deleted_at timestamptz, PRIMARY
    KEY (source_account_id, id)
);

CREATE INDEX ON np_stripe_customers (source_account_id, lower(email));

CREATE TABLE np_stripe_webhook_events (
    source_account_id text NOT NULL DEFAULT 'primary', id text NOT NULL, type text NOT NULL, api_version text,
    object_id text, object_type text, livemode boolean, created timestamptz NOT NULL, data jsonb NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (source_account_id, id)
);
CREATE INDEX ON np_stripe_webhook_events (source_account_id, object_id);
CREATE INDEX ON np_stripe_webhook_events (source_account_id, created DESC);

CREATE TABLE np_stripe_syncs (
    source_account_id text NOT NULL, resource text NOT NULL, started_at timestamptz NOT NULL, cursor text,
    objects bigint NOT NULL DEFAULT 0, removed bigint NOT NULL DEFAULT 0, finished_at timestamptz, error text NOT NULL DEFAULT '',
    PRIMARY KEY (source_account_id, resource)
);
COMMENT ON TABLE np_stripe_syncs IS 'How far the last sync of each kind of object came; cursor is where an interrupted one goes on';

-- What is paid for now, by customer, in the smallest unit of the currency and for a month.
CREATE VIEW np_stripe_active_subscriptions AS
SELECT s.source_account_id, s.id, s.customer, c.email, s.status, s.currency, s.current_period_end, s.cancel_at_period_end,
       sum(i.quantity * p.unit_amount * CASE p.recurring_interval WHEN 'year' THEN 1.0 / 12 WHEN 'week' THEN 52.0 / 12
           WHEN 'day' THEN 365.0 / 12 ELSE 1 END / greatest(p.recurring_interval_count, 1)) AS monthly_amount
FROM np_stripe_subscriptions s
LEFT JOIN np_stripe_customers c ON c.source_account_id = s.source_account_id AND c.id = s.customer
LEFT JOIN np_stripe_subscription_items i ON i.source_account_id = s.source_account_id AND i.subscription = s.id AND i.deleted_at IS NULL
LEFT JOIN np_stripe_prices p ON p.source_account_id = i.source_account_id AND p.id = i.price
WHERE s.status IN ('active', 'trialing', 'past_due') AND s.deleted_at IS NULL
GROUP BY s.source_account_id, s.id, s.customer, c.email, s.status, s.currency, s.current_period_end, s.cancel_at_period_end;

CREATE VIEW np_stripe_unpaid_invoices AS
SELECT source_account_id, id, number, customer, status, currency, amount_remaining, due_date, attempt_count, hosted_invoice_url, created
FROM np_stripe_invoices WHERE status IN ('open', 'uncollectible') AND amount_remaining > 0 AND deleted_at IS NULL;
