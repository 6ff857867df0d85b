"""A mail catcher for development: takes any mail by SMTP, shows it on a web page, and answers the part of Mailpit's API
(https://mailpit.axllent.org/docs/api-v1/) that tests of an application use. Messages are kept in memory."""
