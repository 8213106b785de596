"""Onramp: every confirmed Amazon Cognito signup becomes a provisioned user."""
