"""Git: repositories, mirrors, commit signatures and source trees."""
