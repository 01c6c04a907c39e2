"""The self-consuming loop: models trained on their own output, with tagging and filtering inside."""
