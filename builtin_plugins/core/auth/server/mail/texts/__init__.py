"""Our own texts: `<locale>.<template>.<part>.j2`. A project overrides them by `<locale>/<template>/<part>` in its folder."""
