# All inputs valid, then one broken per run. Mocked: needs neither AWS nor an emulator.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "ap-southeast-1" }
  }
}

variables {
  name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}

run "accepts_valid_inputs" {
  command = plan

  assert {
    condition     = length(aws_iam_role.this.name) == 63
    error_message = "The longest `name` must leave room for the region."
  }
}

run "rejects_name_with_an_underscore" {
  command = plan

  variables {
    name = "revenium_logs"
  }

  expect_failures = [var.name]
}

run "rejects_name_one_character_too_long" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "takes_path_boundary_and_tags_for_the_role" {
  command = plan

  variables {
    iam_path                 = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    tags                     = { team = "platform" }
  }

  assert {
    condition     = aws_iam_role.this.path == "/platform/" && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary" && aws_iam_role.this.tags.team == "platform"
    error_message = "The role must have the path, the boundary and the tags that it was given."
  }
}

run "rejects_a_path_without_slashes" {
  command = plan

  variables {
    iam_path = "platform"
  }

  expect_failures = [var.iam_path]
}

run "rejects_a_boundary_that_is_no_policy" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}
